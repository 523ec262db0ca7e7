"""
### What it makes
A search for better settings of the shop's models, within a budget of minutes. What it finds is a
version of the registered model `<shop>-settings` in MLflow with the alias `challenger`, and nothing
else: no shelf changes. The next night fits the changed sources both ways, judges them on a window that
the search never saw, and moves the alias `champion`, or refuses them; a version that is promoted serves
from the night after.

### When
Every Sunday at 05:30 of `NIGHTSHELF_TIME_ZONE`, once it is unpaused: two hours after the nightly run,
whose features it reads. It writes no history and takes no slot of the writers' pool, so no night waits
for it; beside a night it makes both slower.

### How to see that it is wrong
The task's log ends with `✗ …` and `Next: …`; the run "tune …" in MLflow is marked as failed, or as
killed. That nothing better is found is no error. Without a night whose features are built there is
nothing to search on (exit code 3).

### How to rerun
Trigger it again, at any time: a find that is there already is not added twice, and two searches of
a shop at once are refused (exit code 7). To take a promoted version back, move or delete the alias
`champion` of `<shop>-settings` in MLflow.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable, Param

from nightshelf.orchestration.scheduling import TRIES, ZONE, step, the_night, the_shop

WEEKLY = "30 5 * * 0"
"""When least is bought, and after Sunday's night, so that its features are the newest. A shop's best
settings move with the season, not with the day."""

MOST_MINUTES = 240
"""Before Monday's night, however many. Past its time the task is ended and its run marked as killed."""

ASKED_FOR = {
    "NIGHTSHELF_SHOP": "{{ params.shop }}",
    "NIGHTSHELF_AS_OF": "{{ params.night or '' }}",
    "NIGHTSHELF_TUNE_MINUTES": "{{ params.minutes }}",
    "NIGHTSHELF_TUNE_TRIALS": "{{ params.trials }}",
}

with DAG(
    dag_id="tune_models",
    description="Searches better settings of the models; nights judge what it finds.",
    doc_md=__doc__,
    # No start date: unpausing then waits for the next Sunday.
    schedule=CronTriggerTimetable(WEEKLY, timezone=ZONE, run_immediately=False),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=TRIES,
    params={
        "night": the_night(
            "The night whose cleaned data are searched on, such as 2017-12-01. Empty: the newest that"
            " has its features."
        ),
        "shop": the_shop(),
        "minutes": Param(
            20,
            type="number",
            minimum=0,
            maximum=MOST_MINUTES,
            title="Minutes",
            description="For all models together. It ends at most one trial later.",
        ),
        "trials": Param(
            40,
            type="integer",
            minimum=0,
            maximum=1000,
            title="Trials",
            description="For each model, at most.",
        ),
    },
    tags=["nightshelf"],
) as dag:
    step(
        "tune", "tune", 2 * MOST_MINUTES, env=ASKED_FOR,
        doc="Optuna over time folds that end before the newest fortnight, model by model. Its log says"
        " what each has found; pictures and every trial are in MLflow.",
    )  # fmt: skip
