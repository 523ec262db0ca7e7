"""
### What it makes
Readers see an older published night again, and the models that made it carry the alias `champion`. The
files of the later nights stay; they are marked as taken back, so that no retry shows them again. Nothing
is computed: the moves take less than a second.

### When
Only when somebody triggers it: after a night that is green and whose shelves are bad. The next night runs
as ever, examines its new models against the champions that came back, and publishes.

### How to see that it is wrong
The task's log ends with `✗ …` and `Next: …`. Nothing has moved then: files and models are checked before.

### How to rerun
Trigger it again with the same night: what has moved stays. To go forward again, name the later night.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from nightshelf.orchestration.scheduling import TRIES, step, the_shop

ASKED_FOR = {
    "NIGHTSHELF_SHOP": "{{ params.shop }}",
    "NIGHTSHELF_TO": "{{ params.to or '' }}",
}

with DAG(
    dag_id="roll_back",
    description="Shows readers an older night again, with its models.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,  # who needs it has no time to look for the switch
    default_args=TRIES,
    params={
        "to": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}-\d{2}-\d{2}(/\d+)?$",
            title="To",
            description="The night to go back to, such as 2017-11-30, or 2017-11-30/1 for one attempt at"
            " it. Empty: the one published before what readers see.",
        ),
        "shop": the_shop(),
    },
    tags=["nightshelf"],
) as dag:
    step(
        "roll_back", "roll-back", 10, env=ASKED_FOR,
        doc="Checks the night's files against its manifest and its models against their hashes, then"
        " moves `nights/current` and the aliases. Its log says where each stands.",
    )  # fmt: skip
