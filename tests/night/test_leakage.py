"""What comes at or after `as_of` changes no feature, no training row and no byte of a model.

A night of a busy shop is built, and built again from logs that agree with the first before a cut and
do as they like from it on (`tampering`). Then leaks are planted, one at a time: each has to be found.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nightshelf.candidates.popularity import Popularity
from nightshelf.dataset.catalogue import load_catalogue
from nightshelf.dataset.interactions import InteractionLog, positions
from nightshelf.night import ROLES, WINDOW_DAYS, Night
from nightshelf.ranking import features
from nightshelf.warehouse import connect
from tests.support import busy_shop, leakage
from tests.support.busy_shop import NIGHT, Log
from tests.support.leakage import Leak, Lesson, lesson, lessons_that_leak
from tests.support.rebuilt import Build, Landed, with_other_sql
from tests.support.replay import Model, downstream, edited
from tests.support.tampering import ADDED, TAMPERINGS, added

pytestmark = pytest.mark.long

CUTS = {role: Night(NIGHT, ZoneInfo("America/New_York")).as_of(role) for role in ROLES}
TAMPERED = [(role, how) for role in ROLES for how in TAMPERINGS] + [("evaluate", k) for k in ADDED]
"""(role, how): what the log is tampered with since the role's cut; at one cut by each kind alone."""


@cache
def before() -> Log:
    return busy_shop.log()


@cache
def log_of(role: str, how: str) -> Log:
    if how in TAMPERINGS:
        return TAMPERINGS[how](before(), CUTS[role])
    return added(before(), CUTS[role], (how,))


AS_OFS = sorted({*CUTS.values(), *(NIGHT - timedelta(days=28 * n) for n in range(5))})
"""Of a night's cuts, and of the audience's."""

DATES = ("features.feat_audience_cuts", "intermediate.int_as_ofs")
"""Tables that say which dates there are, and nothing as of them."""

LABELS = ("audience.label_interest", "audience.label_returned")
"""What happened in the 28 days after their `as_of`."""

CHANGED_LATER = {
    "logins": "features.feat_user.n_items",
    "refunds": "features.feat_user_item.n_days",
    "looks": "features.feat_user_rhythm.days_since_any",
    "purchases": "features.feat_item.n_buyers",
    "copies": "features.feat_user_item.n_days",
    "versions": "features.feat_catalogue.price",
    "claims": "intermediate.int_item_titles.title",
    "branches": "features.feat_catalogue.category",
}  # fmt: skip
"""Kind of line → what it changes as of the night, at the least."""

LEARNT_FROM = tuple(
    f"features.feat_{name}"
    for name in (
        "catalogue", "item", "shop", "user", "user_brand", "user_category", "user_interest",
        "user_item", "user_rhythm",
    )
)  # fmt: skip

ALIKE = {
    "audience.audience_counts.n_interested_twice",
    "audience.audience_counts.n_outcomes",
    "features.feat_item_bursts.days_ago",
    "features.feat_item_bursts.item_id",
    "features.feat_item_bursts.n_counted",
    "features.feat_item_bursts.n_users",
    "features.feat_replenishment.is_once_only",
    "features.feat_placements.has_before",
    "features.feat_placements.n_on_sale",
    "features.feat_shop.has_categories",
    "features.feat_shop.is_something_new",
}
"""Columns that say the same as of the night, with and without all that was added: they count what
there was in older windows, or say yes either way; nothing is on sale, and no item has a burst: what
feat_item_bursts reads, feat_user_item, is told apart."""

NOT_OF_NEW_ITEMS = (
    "near_top_own_history", "pair_days", "pair_days_28d", "pair_days_91d", "pair_days_since_last",
    "pair_decayed", "pair_in_last_basket", "pair_never", "pair_overdue", "pair_share",
    "score_own_history",
)  # fmt: skip
"""What the ranker knows of a user and an item says the same of all items that the user never had."""


@dataclass(frozen=True)
class First:
    """The night as it was, what was learnt as of each of its cuts, and what came after it."""

    landed: Landed
    build: Build
    models: list[Model]
    lessons: dict[str, Lesson]
    labels: dict[str, Lesson]


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Iterator[First]:
    with pytest.MonkeyPatch.context() as patch:
        # A second thread costs more than it brings at this size.
        patch.setenv("NIGHTSHELF_THREADS", "1")
        logs = [before(), *(log_of(*key) for key in TAMPERED)]
        landed = Landed.of(tmp_path_factory.mktemp("landed"), logs)
        build, models = landed.by_dbt(tmp_path_factory.mktemp("first"), before())
        lessons = {role: lesson(build.run, build.log, cut) for role, cut in CUTS.items()}
        labels = {role: leakage.labels(build.run, build.log, role) for role in CUTS}
        yield First(landed, build, models, lessons, labels)


@dataclass(frozen=True)
class Tampered:
    role: str
    how: str
    build: Build

    @property
    def cut(self) -> date:
        return CUTS[self.role]


@pytest.fixture(scope="module", params=TAMPERED, ids="-".join)
def tampered(request, first: First, tmp_path_factory) -> Iterator[Tampered]:
    role, how = request.param
    folder = tmp_path_factory.mktemp("tampered")
    yield Tampered(role, how, first.landed.replayed(folder, log_of(role, how), first.models))
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def other(first: First, tmp_path_factory) -> Build:
    """Everything was added since the examination's cut."""
    folder = tmp_path_factory.mktemp("other")
    return first.landed.replayed(folder, log_of("evaluate", "added"), first.models)


# ------------------------------------------------------------------ the law


def test_no_table_says_anything_else_as_of_the_cut_or_earlier(first, tampered):
    as_ofs = [day for day in AS_OFS if day <= tampered.cut]
    leaks = leakage.tables_that_leak(first.build.attempt, tampered.build.attempt, as_ofs)
    assert told(leak for leak in leaks if stands_since(leak) <= tampered.cut) == []
    if tampered.role == "serve":
        # All that a night builds is as of it.
        assert leakage.tables_that_differ(first.build.attempt, tampered.build.attempt) == []


def stands_since(leak: Leak) -> date:
    """A label, at the end of its window."""
    return leak.as_of + timedelta(days=28 if leak.where in LABELS else 0)


def test_nothing_else_is_learnt_as_of_the_cut(first, tampered):
    """By the models too where all was added: they see nothing but these interactions and tables."""
    learn = lesson if tampered.how == "added" else leakage.interactions
    after = learn(tampered.build.run, tampered.build.log, tampered.cut)
    same = {place: first.lessons[tampered.role][place] for place in after}
    assert told(lessons_that_leak(same, after, tampered.cut)) == []


def test_labels_stand_when_their_window_has_ended(first, tampered):
    """So the ranker that is examined knows nothing of its examination, no refund and no login."""
    leaks = []
    for role, cut in CUTS.items():
        if cut + timedelta(days=WINDOW_DAYS) <= tampered.cut:
            labels = leakage.labels(tampered.build.run, tampered.build.log, role)
            leaks += lessons_that_leak(first.labels[role], labels, cut)
    assert told(leaks) == []


def test_what_was_shown_stands_when_its_window_has_ended(first, tampered):
    """What came to be shown or clicked later, or was taken later, is no news of an earlier window."""
    ended = [cut for cut, end in pairwise(sorted(CUTS.values())) if end <= tampered.cut]
    attempts = first.build.attempt, tampered.build.attempt
    assert leakage.exposures_that_differ(*attempts, ended) == []


def told(leaks: Iterable[Leak]) -> list[str]:
    return [str(leak) for leak in leaks]


# ------------------------------------------------------------------ it is put to the test


@pytest.mark.parametrize("tampering", TAMPERED, ids="-".join)
def test_logs_agree_before_the_cut_and_not_after_it(tampering):
    role, how = tampering
    known = [
        [line for lines in log.files.values() for line in lines if line["when"] < str(CUTS[role])]
        for log in (before(), log_of(role, how))
    ]
    assert known[0] == known[1]
    assert log_of(role, how) != before()


def test_tables_as_of_the_night_change_unless_it_was_the_cut(first, tampered):
    changes = leakage.tables_that_leak(first.build.attempt, tampered.build.attempt, [NIGHT])
    if tampered.role == "serve":
        assert changes == []
    elif tampered.how == "impressions":
        # What was shown is in no feature: a list would learn from itself.
        assert told(changes) == []
    elif tampered.how in CHANGED_LATER:
        assert CHANGED_LATER[tampered.how] in {f"{c.where}.{c.what}" for c in changes}
    else:
        assert {*LEARNT_FROM} <= {c.where for c in changes}


def test_a_window_that_goes_on_after_the_cut_has_other_exposures(first, other):
    cuts = sorted(CUTS.values())[:-1]
    differ = leakage.exposures_that_differ(first.build.attempt, other.attempt, cuts)
    assert differ == [CUTS["evaluate"]]


def test_shelves_of_before_the_night_were_shown_and_clicked(first):
    with connect(first.build.attempt.database) as db:
        found = db.execute(
            "select count(distinct night), sum(n_clicks) > 0, max(event_date) < ?"
            " from marts.fct_impressions where unmatched_because is null",
            [NIGHT],
        ).fetchall()
    assert found == [(2, True, True)]


def test_every_column_changes_with_what_is_added(first, other):
    changes = leakage.tables_that_leak(first.build.attempt, other.attempt, [NIGHT])
    changed = {f"{c.where}.{column}" for c in changes for column in c.what.split(", ")}
    assert {*columns(first.build)} - changed == ALIKE


def test_every_column_takes_several_values(first):
    """As of one date that all tables have but those of the night's one row."""
    with connect(first.build.attempt.database) as db:
        values = {
            name: db.execute(
                f"select count(distinct {name.rpartition('.')[2]}) from {name.rpartition('.')[0]}"
                f" where as_of = date '{CUTS['train_1']}'"
            ).fetchall()[0][0]
            for name in columns(first.build)
        }
    assert {name for name, n in values.items() if n == 1} == set()
    assert {name.split(".")[1] for name, n in values.items() if not n} == {
        "audience_counts",
        "feat_item_bursts",
        "feat_placements",
        "feat_replenishment",
        "feat_shop",
    }


def test_every_feature_of_the_ranker_takes_several_values(first):
    arrays = leakage.learnt(first.build.run, first.build.log, CUTS["evaluate"])
    rows = {place: a for place, a in arrays.items() if place[0].startswith("training rows")}
    constant = {place for place, values in rows.items() if (values == values[0]).all()}
    assert constant == {("training rows new", name) for name in NOT_OF_NEW_ITEMS}


def columns(build: Build) -> list[str]:
    """schema.table.column of all tables that have an `as_of`, but for the dates themselves."""
    with connect(build.attempt.database) as db:
        tables = set(leakage.tables_with_as_of(db, "night")) - {*LABELS, *DATES}
        return [
            f"{table}.{name}"
            for table in sorted(tables)
            for name, *_ in db.execute(f"describe {table}").fetchall()
            if name != "as_of"
        ]


# ------------------------------------------------------------------ planted leaks

DATE = "((versions.{} at time zone 'UTC') at time zone 'America/New_York')::date"
VALID = (
    f"(versions.valid_from is null or {DATE.format('valid_from')} < as_ofs.as_of)\n"
    f"    and (versions.valid_until is null or {DATE.format('valid_until')} >= as_ofs.as_of)"
)
HELD = (
    "and (i.joined_on is null or i.joined_on < as_ofs.as_of)\n"
    "    and (i.left_on is null or i.left_on >= as_ofs.as_of)"
)

PLANTED = {
    "an aggregate without its bound": (
        "feat_user", "i.interaction_date < as_ofs.as_of", "true",
        "features.feat_user.n_active_days",
    ),
    "an aggregate of the whole night": (
        "feat_user_interest", f"i.interaction_date < date '{NIGHT}' - 28", "i.interaction_date < date '2015-04-01'",
        "features.feat_user_interest.n_lines",
    ),
    "the day of the cut itself": (
        "feat_user_item", "i.interaction_date < as_ofs.as_of", "i.interaction_date <= as_ofs.as_of",
        "features.feat_item.n_buyers",
    ),
    "a refund after the cut": (
        "feat_user_item", "i.cancelled_on is null or i.cancelled_on >= as_ofs.as_of", "i.cancelled_on is null",
        "features.feat_user_item.n_days",
    ),
    "a refund on the day of the cut": (
        "feat_user_item", "i.cancelled_on >= as_ofs.as_of", "i.cancelled_on > as_ofs.as_of",
        "features.feat_user_item.n_days",
    ),
    "a refund dated by its purchase": (
        "int_purchases_cancelled", "case when taken = pieces_left then refunded_on end",
        "case when taken = pieces_left then occurred_on end",
        "features.feat_user_item.n_days",
    ),
    "a login after the cut": (
        "feat_user", HELD, "and i.left_on is null",
        "features.feat_user.n_active_days",
    ),
    "a session's user from its beginning": (
        "int_sessions_joined", "case when since > event_date then since end as joined_on", "null::date as joined_on",
        "features.feat_user.n_active_days",
    ),
    "a robot on every date for one": (
        "int_events_cleaned", "\n    and robots.event_date = events.event_date", "",
        "features.feat_user_rhythm.days_since_any",
    ),
    "the later of two copies": (
        "int_copies_found", "events.occurred_at, events.event_type", "events.occurred_at desc, events.event_type",
        "features.feat_user_item.quantity",
    ),
    "a row of the catalogue from later": (
        "feat_catalogue", VALID, "versions.valid_until is null",
        "features.feat_catalogue.brand",
    ),
    "a version of the day of the cut": (
        "feat_catalogue", VALID, VALID.replace("< as", "<= as").replace(">= as", "> as"),
        "features.feat_catalogue.price",
    ),
    "the price of the night": (
        "feat_catalogue", "listed.price,",
        '(select d.price from "night"."marts"."dim_items" as d where d.item_id = known.item_id) as price,',
        "features.feat_catalogue.price",
    ),
    "a title from later": (
        "int_item_titles", "::date < as_ofs.as_of", "::date < date '2015-04-01'",
        "intermediate.int_item_titles.title",
    ),
    "a tree without dates": (
        "int_category_paths",
        "coalesce(updated_at, timestamp '-infinity') as since,\n        row_number() over (partition by category_id, updated_at order by",
        "timestamp '-infinity' as since,\n        row_number() over (partition by category_id order by",
        "features.feat_catalogue.category",
    ),
}  # fmt: skip
"""What is wrong → (model, its SQL, the leaking SQL, where it is to be found)."""


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_in_sql_is_found(first, other, leak, tmp_path):
    name, old, new, where = PLANTED[leak]
    models = downstream(edited(first.models, name, old, new), name)
    one, two = (
        with_other_sql(build, models, tmp_path / side)
        for side, build in (("one", first.build), ("two", other))
    )
    leaks = leakage.tables_that_leak(one, two, [CUTS["train_1"], CUTS["evaluate"]])
    found = {f"{leak.where}.{leak.what}" for leak in leaks if leak.where not in LABELS}
    assert where in found, sorted(found)


def test_an_exposure_after_its_window_is_found(first, other, tmp_path):
    bound = "\n        and windows.next_as_of > cleaned.event_date"
    models = downstream(edited(first.models, "int_exposures", bound, ""), "int_exposures")
    one, two = (
        with_other_sql(build, models, tmp_path / side)
        for side, build in (("one", first.build), ("two", other))
    )
    assert CUTS["train_1"] in leakage.exposures_that_differ(one, two, CUTS.values())


def leaks_of_lessons(first: First, other: Build, learn=lesson) -> set[str]:
    cut = CUTS["evaluate"]
    leaks = lessons_that_leak(*(learn(b.run, b.log, cut) for b in (first.build, other)), cut)
    return {f"{leak.where}.{leak.what}" for leak in leaks}


def test_interactions_known_too_late_are_found(first, other, monkeypatch):
    """By their date alone: what was refunded since, and what a login has shown since."""
    known = lambda log, end, event_types: log.days < end  # noqa: E731
    monkeypatch.setattr(InteractionLog, "_known_by", known)
    assert "interactions.weights" in leaks_of_lessons(first, other, leakage.interactions)


def test_a_catalogue_from_later_is_found(first, other, monkeypatch):
    monkeypatch.setattr(leakage, "load_catalogue", lambda db, as_of: load_catalogue(db, NIGHT))
    assert "interactions.catalogue.prices" in leaks_of_lessons(first, other, leakage.interactions)


def test_features_of_a_later_cut_are_found(first, other, monkeypatch):
    attach = features.attach
    monkeypatch.setattr(features, "attach", lambda db, pool, *_: attach(db, pool, NIGHT))
    leaks = leaks_of_lessons(first, other)
    assert "training rows all.item_buyers_7d" in leaks
    assert {leak.partition(" ")[0] for leak in leaks} == {"training"}


def test_a_model_fitted_on_the_whole_log_is_found(first, other, monkeypatch):
    """It knows no other items than those of its cut, and no more of them: only its counts are new."""

    def learn(run, log, as_of):
        late = log.as_of(NIGHT)
        counts = np.append(np.bincount(late.item_codes, minlength=len(late.items)), 0)

        def fit(self, interactions):
            self._keep(counts[positions(late.items, interactions.items)].astype(np.float32))

        monkeypatch.setattr(Popularity, "_fit", fit)
        return lesson(run, log, as_of)

    leaks = leaks_of_lessons(first, other, learn)
    assert "model popularity.scores" in leaks
    assert not any(leak.startswith(("interactions", "model item_knn")) for leak in leaks)
