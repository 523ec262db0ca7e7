"""Who stays away, from purchases to chances: the compiled SQL on made-up shoppers, and the model on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from nightshelf.audience import churn
from nightshelf.audience.churn import ChurnModel, ChurnParams

NIGHT = date(2017, 12, 1)
"""The project's own `night`."""
MODELS = ("fct_active_days", "feat_audience_cuts", "feat_user_rhythm", "label_returned")

Visit = tuple[str, date]


class Shop:
    """The tables between purchases and what the churn model reads."""

    def __init__(self, project, visits: Iterable[Visit]) -> None:
        self.db = duckdb.connect()
        self.db.execute("attach ':memory:' as night; use night")
        for schema in ("marts", "features", "audience"):
            self.db.execute(f"create schema night.{schema}")
        self.db.execute("""
            create table marts.fct_interactions (user_id varchar, item_id varchar, event_type varchar,
                interaction_date date, joined_on date, left_on date, cancelled_on date)""")
        rows = [(user, day) for user, day in visits if day < NIGHT]
        self.db.execute(
            "insert into marts.fct_interactions by name select 'item' as item_id,"
            " 'purchase' as event_type, unnest($users) as user_id, unnest($days) as interaction_date",
            {"users": [u for u, _ in rows], "days": [d for _, d in rows]},
        )
        self.db.execute(
            "create table marts.dim_users as select distinct user_id from marts.fct_interactions"
        )
        nodes = project.nodes("model")
        for model in MODELS:
            name = nodes[model]["relation_name"]
            self.db.execute(f"create table {name} as {project.compiled[model]}")

    def chance(self, model: ChurnModel, user: str) -> float:
        found = churn.read_rhythms(self.db, NIGHT, None)
        return float(model.chances(found.matrix)[list(found.users).index(user)])

    def risk(self, user: str) -> tuple:
        return self.db.execute(
            "select days_since_last, typical_gap_days, horizon_days from features.feat_user_rhythm"
            " where as_of = ? and user_id = ?",
            [NIGHT, user],
        ).fetchone()


def comes(user: str, gap: float, first: int, last: int, rng) -> Iterator[Visit]:
    """Every `gap` days, give or take a fifth, from `first` to `last` days before the night."""
    day = float(first)
    while day >= last:
        yield user, NIGHT - timedelta(days=int(day))
        day -= gap * rng.uniform(0.8, 1.2)


def shoppers(seed: int = 1) -> list[Visit]:
    """Three years: 300 weekly, 200 monthly and 100 yearly shoppers, who one day stay away for good; half
    of them within those years."""
    rng = np.random.default_rng(seed)
    visits: list[Visit] = []
    for kind, gap, n in (("week", 7, 300), ("month", 30, 200), ("year", 365, 100)):
        for number in range(n):
            first, leaves = rng.integers(900, 1_095), rng.integers(-900, 900)
            visits += comes(f"{kind} {number}", gap, int(first), max(1, int(leaves)), rng)
    return visits


WEEKLY = [("weekly", NIGHT - timedelta(days=40 + 7 * n)) for n in range(60)]
YEARLY = [("yearly", NIGHT - timedelta(days=40 + 365 * n)) for n in range(3)]
FRESH = [("fresh", NIGHT - timedelta(days=2 + 7 * n)) for n in range(60)]
ONCE = [("once", NIGHT - timedelta(days=3))]


@pytest.fixture(scope="module")
def shop(project) -> Shop:
    return Shop(project, [*shoppers(), *WEEKLY, *YEARLY, *FRESH, *ONCE])


@pytest.fixture(scope="module")
def learnt(shop) -> tuple[ChurnModel, dict]:
    return churn.learn(shop.db, ChurnParams())


def test_forty_days_are_a_lapse_for_a_weekly_shopper_and_nothing_for_a_yearly_one(shop, learnt):
    model, _ = learnt
    silence, gap, horizon = shop.risk("weekly")
    assert (silence, gap, horizon) == (40, 7, 28)
    assert shop.chance(model, "weekly") > 0.7
    silence, gap, horizon = shop.risk("yearly")
    assert silence == 40
    assert horizon > 600
    assert shop.chance(model, "yearly") < 0.3


def test_who_was_here_the_day_before_yesterday_is_not_gone(shop, learnt):
    assert shop.chance(learnt[0], "fresh") < 0.15


def test_the_model_that_serves_beats_the_rule_and_the_base_rate_on_the_last_window(learnt):
    _, report = learnt
    found = report["contenders"]
    used = found[report["used"]]
    assert used["log_loss"] < 0.9 * found["base_rate"]["log_loss"]
    assert used["log_loss"] <= found["gap_rule"]["log_loss"]
    assert used["pr_auc"] > 2 * used["prevalence"]
    assert used["calibration_error"] < 0.06


def test_all_that_was_learnt_lies_before_what_it_is_judged_on(shop):
    cuts = churn._cuts(shop.db)
    stages = [
        max(cuts[role][0] + timedelta(days=cuts[role][1]) for role in churn.TRAIN),
        cuts[churn.CHOOSE][0],
        cuts[churn.CHOOSE][0] + timedelta(days=cuts[churn.CHOOSE][1]),
        cuts[churn.EVALUATE][0],
        cuts[churn.EVALUATE][0] + timedelta(days=cuts[churn.EVALUATE][1]),
    ]
    assert stages == sorted(stages)
    assert stages[-1] == NIGHT


def test_what_happens_after_a_cut_changes_no_feature_as_of_it(project, shop):
    cut = churn._cuts(shop.db)[churn.EVALUATE][0]
    visits = [*shoppers(), *WEEKLY, *YEARLY, *FRESH, *ONCE]
    earlier = Shop(project, [(user, day) for user, day in visits if day < cut])
    # The window's length is the night's own: the cut is asked for by its date.
    earlier.db.execute(
        "update features.feat_audience_cuts set as_of = ? where role = 'serve'", [cut]
    )
    earlier.db.execute(
        f"create or replace table features.feat_user_rhythm as"
        f" {project.compiled['feat_user_rhythm']}"
    )
    rows = "from features.feat_user_rhythm where as_of = ? order by user_id"
    assert (
        earlier.db.execute(rows, [cut]).fetchall() == shop.db.execute(rows, [cut]).fetchall() != []
    )


def test_learning_twice_and_in_another_order_gives_the_same_bytes(project, learnt):
    visits = [*shoppers(), *WEEKLY, *YEARLY, *FRESH, *ONCE]
    other = Shop(project, visits[::-1])
    other.db.execute("set threads = 1")
    again, _ = churn.learn(other.db, ChurnParams())
    assert again.name == learnt[0].name
    assert {k: v.tobytes() for k, v in again.arrays().items()} == {
        k: v.tobytes() for k, v in learnt[0].arrays().items()
    }


def test_a_model_comes_back_from_its_arrays(shop, learnt):
    model, _ = learnt
    again = ChurnModel.from_arrays(model.name, model.arrays())
    matrix = churn.read_rhythms(shop.db, NIGHT, None).matrix
    assert (again.chances(matrix) == model.chances(matrix)).all()


@pytest.mark.parametrize("visits", [ONCE, WEEKLY[:2]])
def test_a_shop_of_one_has_a_rhythm_and_finite_features(project, visits):
    found = churn.read_rhythms(Shop(project, visits).db, NIGHT, None)
    assert len(found.users) == 1
    assert np.isfinite(found.matrix).all()
