"""
### What it makes
The shop's recommendation shelves of one night, and its tables about users, validated, in
`<home>/shops/<shop>/nights/<night>/<attempt>/`, and `nights/current` pointing at them.

### When
Every night at 03:30 of `NIGHTSHELF_TIME_ZONE`, once it is unpaused. Each run makes the night that
begins on its date in the shop's time zone. A run started by hand makes the night after the newest
landed events, or the one given as `night`.

A run that is not done three hours after it was queued (`NIGHTSHELF_DEADLINE_MINUTES`) raises an
alert, and so does a failed task: in the log, and wherever `NIGHTSHELF_ALERTS` says.

### How to see that it is wrong
A red task stops the night, and readers keep yesterday's shelves. The tab *Night* of a run, or of a
task, says what every step did, what is wrong and what to do, and leads to the pages of the doors
and of the night. A red *door* is Great Expectations refusing data.

### How to rerun
* **After mending the data or the shop's file:** trigger a new run with the same `night`. It takes
  in what is new and begins a new attempt.
* **After a fault of the machine** (disk, memory, a killed worker): clear the red task. The attempt
  goes on from there.

Any night may be run again at any time; equal inputs give equal tables.
"""

from __future__ import annotations

from functools import partial

from airflow.sdk import DAG, Asset, CronTriggerTimetable, TaskGroup, chain

from nightshelf.columns import AUDIENCE, REPORTS, SHELVES
from nightshelf.orchestration import scheduling
from nightshelf.orchestration.scheduling import (
    LATE,
    TRIES,
    WRITERS,
    ZONE,
    LeadsToMLflow,
    a_switch,
    skipped_unless,
    the_night,
    the_shop,
)

NIGHTLY = "30 3 * * *"
"""After midnight's exports have landed, outside the hour that daylight saving skips or repeats, and
done before the shop opens."""


def night_and_attempt(last_line: str) -> dict[str, str]:
    night, attempt = last_line.split()
    return {"night": night, "attempt": attempt}


ASKED_FOR = {
    "NIGHTSHELF_SHOP": "{{ params.shop }}",
    "NIGHTSHELF_RETRAIN": "{{ params.retrain }}",
    # A run by hand has a logical date of now, or none at all: it says nothing about a night.
    "NIGHTSHELF_AS_OF": "{{ params.night or (dag_run.data_interval_end.isoformat()"
    " if dag_run.run_type in ('scheduled', 'backfill') and dag_run.data_interval_end else '') }}",
}
OPENED = {
    "NIGHTSHELF_SHOP": "{{ params.shop }}",
    "NIGHTSHELF_AS_OF": "{{ (ti.xcom_pull(task_ids='ingest.open_night') or {}).get('night', '') }}",
    "NIGHTSHELF_ATTEMPT": "{{ (ti.xcom_pull(task_ids='ingest.open_night') or {}).get('attempt', '') }}",
}

WHERE_ASKED_TO = skipped_unless(
    lambda context: context["params"]["publish"],
    "The trigger form asked for a night that is not published. `nightshelf publish` puts it out.",
)
WHERE_THERE_IS_A_NIGHT = skipped_unless(
    lambda context: context["ti"].xcom_pull(task_ids="ingest.open_night"), "No attempt was begun."
)

step = partial(scheduling.step, env=OPENED)


with DAG(
    dag_id="nightly_recommendations",
    description="Landing files to published shelves, through three doors.",
    doc_md=__doc__,
    # No start date: unpausing then waits for the next night instead of running the last one at once.
    schedule=CronTriggerTimetable(NIGHTLY, timezone=ZONE, run_immediately=False),
    catchup=False,
    max_active_runs=1,  # attempts at two nights would wait for each other anyway
    is_paused_upon_creation=True,
    default_args=TRIES,
    deadline=LATE,
    params={
        "night": the_night(
            "The date whose shelves are made, such as 2017-12-01. Only events before it are used."
            " Empty: the night after the newest landed events."
        ),
        "shop": the_shop(),
        "retrain": a_switch(
            "Retrain",
            "Off: the reigning models rank tonight's candidates, which are made from tonight's data as"
            " ever; no ranker is trained, and nothing is examined.",
        ),
        "publish": a_switch(
            "Publish",
            "Off: the tables are made and checked, and lie in the attempt's folder; readers keep what"
            " they see. `nightshelf publish` puts them out.",
        ),
    },
    tags=["nightshelf"],
) as dag:
    with TaskGroup("ingest", tooltip="Landing files become raw rows, held at the first door."):
        open_night = step(
            "open_night", "open", 60, env=ASKED_FOR, pool=WRITERS,
            output_processor=night_and_attempt,
            doc="Chooses the night and begins an attempt at it. Returns both to the other tasks.",
        )  # fmt: skip
        ingest = step(
            "ingest", "ingest", 120, pool=WRITERS,
            doc="Takes new landing files in. `nightshelf ledger` and `nightshelf quarantine` show"
            " what was taken and refused.",
        )  # fmt: skip
        door_raw = step(
            "door_raw", "gate raw", 30,
            doc="Great Expectations on what arrived. Red: look at `doors/raw.html` in the attempt.",
        )  # fmt: skip

    with TaskGroup("prepare", tooltip="dbt's first visit: events become features."):
        features = step(
            "features", "features", 240, pool=WRITERS,
            doc="`dbt build` of staging, intermediate, marts and features. Red: the log names the"
            " model or test.",
        )  # fmt: skip
        door_features = step(
            "door_features", "gate features", 30,
            doc="Great Expectations on the features. Red: look at `doors/features.html`.",
        )  # fmt: skip

    with TaskGroup("learn", tooltip="Models are fitted, examined, promoted or not."):
        train = step(
            "train", "train", 480,
            doc="Fits the candidate sources at each cut, and the rankers over them.",
        )  # fmt: skip
        evaluate = step(
            "evaluate", "evaluate", 120, operator=LeadsToMLflow,
            doc="Examines every contender on the last fortnight, logs all to MLflow, and moves the"
            " alias `champion` only to one that is better.",
        )  # fmt: skip

    with TaskGroup("shelve", tooltip="Candidates are ranked; dbt's second visit makes tables."):
        score = step(
            "score", "score", 240,
            doc="Ranks tonight's candidates for everyone with the reigning models.",
        )  # fmt: skip
        shelve = step(
            "shelve", "shelve", 120,
            doc="`dbt build` of the shelves and reports.",
        )  # fmt: skip
        door_shelves = step(
            "door_shelves", "gate shelves", 30,
            doc="Great Expectations on the tables, also against last night's. Red: look at"
            " `doors/shelves.html`.",
        )  # fmt: skip

    with TaskGroup("publish", tooltip="Readers see the new night from here on."):
        publish = step(
            "publish", "publish", 30, pre_execute=WHERE_ASKED_TO,
            outlets=[
                *(Asset(name=name, uri=f"nightshelf://shelves/{name}") for name in SHELVES),
                *(Asset(name=name, uri=f"nightshelf://audience/{name}") for name in AUDIENCE),
                *(Asset(name=name, uri=f"nightshelf://reports/{name}") for name in REPORTS),
            ],
            doc="Writes the night's files and manifest, then moves `nights/current`. Announces one"
            " asset a table, so that other DAGs can be scheduled on it.",
        )  # fmt: skip
        morning = step(
            "morning", "morning", 30, pre_execute=WHERE_THERE_IS_A_NIGHT,
            doc="Writes the morning page, of a red night too: Browse, then *Morning page*. It cannot fail"
            " the night, whose shelves are out.",
        )  # fmt: skip
        # It comes to its turn whatever the night came to, and has no say in what that was.
        morning.as_teardown()

    chain(
        open_night, ingest, door_raw, features, door_features, train, evaluate, score, shelve,
        door_shelves, publish, morning,
    )  # fmt: skip
