"""What a table of the history hangs on beside its rows."""

import json
from hashlib import md5

import yaml
from jinja2 import Environment

from nightshelf.transform.visit import DBT_PROJECT

MACROS = (DBT_PROJECT / "macros" / "history.sql").read_text()
VERSION = "{% macro version_with" + MACROS.split("{% macro version_with")[1]
VARIABLES = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]


def made_of(model: str, **variables) -> str:
    """The version and the settings that the model's dates carry in their fingerprints."""
    head = (DBT_PROJECT / f"models/intermediate/{model}.sql").read_text().split("{{")[0]
    jinja = Environment(extensions=["jinja2.ext.do"])
    jinja.globals |= {
        "var": (VARIABLES | variables).__getitem__,
        "tojson": json.dumps,
        "local_md5": lambda text: md5(text.encode()).hexdigest(),
    }
    return jinja.from_string(VERSION + head + "{{ made_of }}").render().strip()


def test_another_weight_builds_no_date_of_interactions_anew_and_another_type_does():
    def interactions(**weights: float) -> str:
        return made_of("int_interactions_by_date", event_weights=weights)

    assert interactions(view=0.1, purchase=1) == interactions(purchase=3, view=0.2)
    assert interactions(view=0.1, purchase=1) != interactions(purchase=1)


def test_what_cleaning_allows_builds_interactions_anew():
    assert made_of("int_interactions_by_date", max_price=1) != made_of("int_interactions_by_date")
