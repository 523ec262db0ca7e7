# What the dice show: nightshelf.exploration has the law, and decision 0030 its reasons.
from nightshelf.exploration.explored import explored


def model(dbt, session):
    candidates = dbt.ref("ruled_candidates").order("placement, context_id, rank")
    responses = dbt.ref("item_responses").order("placement, item_id")
    settings = dbt.source("raw", "exploration").order("placement")
    return explored(*(rows.to_arrow_table() for rows in (candidates, responses, settings)))
