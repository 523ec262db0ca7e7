"""Evidence is what was known before the night, and on a user's shelf it is that user's."""

import duckdb

from nightshelf.columns import SHELVES
from tests.support.trap_shop import NIGHT

OWN = ("due_again", "bought_before", "looked_at", "because_you_bought")
"""Reasons about what is the user's own: their evidence must have been taken or looked at by the user."""
OF_THE_CATALOGUE = ("looks_alike", "next_category")
"""Reasons whose evidence is an item that nobody took yet, or a category."""


def pairs(night):
    """(shelf, context_type, context_id, reason_code, evidence item) of every published row whose
    evidence is what somebody took."""
    return [
        (shelf, *row)
        for shelf in SHELVES
        for row in night.rows(shelf, "context_type, context_id, reason_code, unnest(evidence)")
        if row[2] not in OF_THE_CATALOGUE
    ]


def seen(night, what):
    """Distinct values of the mart's columns, of what was known as of the night and not undone."""
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        return set(
            db.execute(
                f"""select distinct {what} from marts.fct_interactions
                where interaction_date < $night
                    and (cancelled_on is null or cancelled_on >= $night)
                    and (joined_on is null or joined_on < $night)
                    and (left_on is null or left_on >= $night)""",
                {"night": NIGHT},
            ).fetchall()
        )


def test_every_item_of_evidence_is_in_the_mart_before_the_night(night):
    known = {item for (item,) in seen(night, "item_id")}
    found = pairs(night)
    assert {shelf for shelf, *_ in found} >= {"rec_for_you", "rec_discover", "rec_similar_items"}
    assert [row for row in found if row[-1] not in known] == []


def test_what_the_catalogue_is_evidence_of_is_in_it(night):
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        items, categories = (
            {name for (name,) in db.execute(f"select distinct {c} from marts.dim_items").fetchall()}
            for c in ("item_id", "category")
        )
    alike = night.rows("rec_similar_items", "unnest(evidence)", "reason_code = 'looks_alike'")
    next_ones = night.rows("rec_next_category", "unnest(evidence)")
    assert alike and {item for (item,) in alike} <= items
    assert next_ones and {category for (category,) in next_ones} <= categories


def test_evidence_on_a_user_s_shelf_is_what_that_user_bought(night):
    own = seen(night, "user_id, item_id")
    of_users = [row for row in pairs(night) if row[1] == "user"]
    # Looks weigh nothing in this shop.
    assert {reason for *_, reason, _ in of_users} == set(OWN) - {"looked_at"}
    strangers = [row for row in of_users if (row[2], row[4]) not in own]
    assert strangers == []


def test_a_reason_that_says_you_bought_has_evidence_and_each_other_reason_names_no_item(night):
    for shelf in ("rec_for_you", "rec_discover", "rec_buy_again"):
        counts = dict(
            night.rows(
                shelf, "reason_code, list_sort(list(distinct len(evidence)))", "true group by 1"
            )
        )
        assert counts == {code: [1] if code in OWN else [0] for code in counts}
