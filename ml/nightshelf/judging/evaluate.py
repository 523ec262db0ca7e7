"""The evaluate stage: contenders on the last window, the verdict, the promotion, and their record."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from nightshelf import audience
from nightshelf.errors import ModelError
from nightshelf.evaluation import load_past
from nightshelf.evaluation.curves import (
    calibration,
    partial_dependence,
    precision_recall,
    spaced,
)
from nightshelf.judging import gate, quality, recording
from nightshelf.judging.reigning import Reign, find_reign
from nightshelf.learning import trained
from nightshelf.learning.scoring import keep_recipes
from nightshelf.learning.train import load_labels, load_ranker, load_rehearsal
from nightshelf.night import WINDOW_DAYS, Night
from nightshelf.paths import Attempt, Home
from nightshelf.pinned.settings import pinned
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import Progress
from nightshelf.ranking import features
from nightshelf.ranking.choice import Rehearsal
from nightshelf.ranking.labelled import read_features, taken
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.readiness import Placement, read_readiness
from nightshelf.registry import Registry
from nightshelf.registry.abandoned import alive, close_abandoned
from nightshelf.registry.provenance import code_version
from nightshelf.settings.shop import Shop
from nightshelf.storage import without_nan, write_json
from nightshelf.transform.visit import manifest_hash
from nightshelf.tuning.store import MODEL as SETTINGS
from nightshelf.tuning.verdict import Judged, judge_settings
from nightshelf.warehouse import connect, cores

EXPLAINED_FEATURES = 6
"""Partial dependence is drawn of so many, the most important ones."""
SERVES_ALL = "popularity"
"""The list that needs no examination."""


@dataclass(frozen=True, eq=False)
class Examined:
    """One placement's examination."""

    placement: str
    view: str
    reign: Reign
    verdict: gate.Verdict
    found: list[quality.Contender] = field(default_factory=list)
    reachable: float = math.nan
    n_users: int = 0
    cohorts: list[quality.Told] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    curves: dict[str, dict] = field(default_factory=dict)
    """Of tonight's ranker: calibration, precision_recall, importances, partial_dependence."""
    over_windows: dict[str, float] = field(default_factory=dict)
    """Source or ranker → nDCG@10 over this window and the one before, by which the challenger is chosen."""
    kinds: dict[str, float] = field(default_factory=dict)
    """Kind of ranker → nDCG@10 on the last cut before this window, by which the kind was chosen."""

    @property
    def challenger(self) -> quality.Contender | None:
        return next((c for c in self.found if c.name == self.verdict.challenger), None)


@dataclass(frozen=True)
class Decision:
    """Who serves a placement tonight."""

    recipe: Recipe
    version: str | None
    """Its version in MLflow; None for a baseline, which needs none."""
    serves: Literal["challenger", "champion", "baseline"]
    promoted: bool
    why: str
    warning: str = ""
    challenger: str | None = None
    """Tonight's registered version."""

    def told(self) -> dict[str, Any]:
        return {
            "serving": self.recipe.source,
            "serves_as": self.serves,
            "version": self.version,
            "promoted": self.promoted,
            "why": self.why,
            "warning": self.warning,
            "challenger_version": self.challenger,
            "fingerprint": self.recipe.fingerprint(),
        }


def judge_night(home: Home, shop: Shop, night: Night, attempt: Attempt, progress: Progress) -> str:
    """Examines both placements, promotes or not, writes quality.json and decision.json."""
    registry = Registry(home, shop.name)
    with registry.told():
        close_abandoned(registry, attempt.shop)
        with registry.alone():
            for model in (*PLACEMENT_VIEWS, SETTINGS):
                registry.settle_cut_short(model)
    with alive(attempt):
        return _judge(registry, shop, night, attempt, progress)


def _judge(
    registry: Registry, shop: Shop, night: Night, attempt: Attempt, progress: Progress
) -> str:
    data = data_fingerprint(attempt)
    tags = {
        "night": night.date.isoformat(),
        "attempt": str(attempt.number),
        "dbt_manifest_sha256": manifest_hash(attempt),
        **code_version(),
        **{f"data_{k}": str(v) for k, v in data.items()},
        **pinned(attempt).told(),
    }
    with registry.told():
        record = recording.Record.begin(registry, shop, night, attempt, tags, data)
    try:
        with registry.told():
            record.sources(progress)
        reigns = _reigns(registry, night, attempt)
        progress.advance("examining " + " and ".join(f"rec_{placement}" for placement in reigns))
        examined = _examine_all(reigns, night, attempt)
        decisions = {}
        for each in examined:
            progress.advance(f"MLflow: rec_{each.placement}")
            with registry.told():
                decisions[each.placement] = settle(registry, record, each, attempt)
        progress.advance("MLflow: audience")
        with registry.told():
            audience.record(registry, record.parent, attempt, tags)
        with registry.told():
            judged = judge_settings(registry, attempt)
        _write(shop, attempt, examined, decisions, data, judged)
        with registry.told():
            record.end(decisions)
    except BaseException as error:
        record.failed("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    for placement, decision in decisions.items():
        if decision.warning:
            progress.say(f"Warning, rec_{placement}: {decision.warning}")
    told = [f"{p}: {_in_short(d)}" for p, d in decisions.items()]
    return "; ".join([*told, judged.told] if judged else told)


def _in_short(decision: Decision) -> str:
    how = (
        "promoted"
        if decision.promoted
        else {
            "challenger": "not promoted: the champion's alias is left alone",
            "champion": "the champion stays",
            "baseline": "a baseline: no model passed",
        }[decision.serves]
    )
    return f"{decision.recipe.source} ({how}{', WARNING' if decision.warning else ''})"


def data_fingerprint(attempt: Attempt) -> dict[str, object]:
    """Rows, span and a hash of the interactions that tonight's models saw."""
    with connect(attempt.database) as db:
        rows, first, last, content = db.execute("""
            select count(*), min(interaction_date), max(interaction_date),
                -- A sum of hashes does not depend on the order of rows.
                (sum(hash(user_id, item_id, event_type, interaction_date, n_events, cancelled_on,
                    joined_on, left_on) % 1000000007))::varchar
            from marts.fct_interactions""").fetchall()[0]
    return {"rows": rows, "first": str(first), "last": str(last), "hash": content}


def _reigns(registry: Registry, night: Night, attempt: Attempt) -> dict[str, Reign]:
    """Who reigns, by placement."""
    sources = list(trained.told(attempt, "sources.json"))
    names = features.names(sources)
    with registry.told():
        return {p: find_reign(registry, p, night, sources, names) for p in PLACEMENT_VIEWS}


def _examine_all(reigns: Mapping[str, Reign], night: Night, attempt: Attempt) -> list[Examined]:
    """Side by side: much of each is the work of one core."""
    readiness = read_readiness(attempt)

    def examined(placement: str) -> Examined:
        ready = readiness.of(f"rec_{placement}")
        return _examine(reigns[placement], placement, ready, night, attempt)

    with ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(examined, reigns))


def _examine(
    reign: Reign, placement: str, ready: Placement, night: Night, attempt: Attempt
) -> Examined:
    view = PLACEMENT_VIEWS[placement]
    if not ready.is_ready:
        return Examined(placement, view, reign, _not_ready(ready, reign))
    if not pinned(attempt).retrains:
        return Examined(placement, view, reign, _goes_on(placement, reign))
    held = read_examination(attempt, night, view)
    if held is None:
        return Examined(placement, view, reign, _unexamined(reign))
    rehearsal = load_rehearsal(attempt, view)
    found = held_against(held, placement, reign, load_ranker(attempt, view), rehearsal)
    return replace(found, kinds=trained.told(attempt, "rankers.json")[view]["compared"])


def read_examination(attempt: Attempt, night: Night, view: str) -> quality.Examination | None:
    """What training left to examine a view on; None where nobody or nothing is there."""
    wanted = load_labels(attempt, view)
    if wanted is None:
        return None
    pool = trained.pool(attempt, "evaluate", view)
    if not len(pool):
        return None
    as_of = night.as_of("evaluate")
    with connect(attempt.database) as db:
        past = load_past(db, as_of, pool.items, wanted.users)
    return quality.Examination(pool, read_features(attempt, pool, as_of), wanted, past)


def held_against(
    held: quality.Examination,
    placement: str,
    reign: Reign,
    tonight: Recipe | None,
    rehearsal: Rehearsal | None = None,
) -> Examined:
    """Tonight's contenders and the champion on one window, and the gate's verdict."""
    view = held.wanted.view
    scores = held.scores(quality.rankers_among(tonight, reign.recipe))
    found = quality.contenders(held, tonight, reign.recipe, scores)
    verdict = gate.judge(found, reign.stays, rehearsal)
    hits = taken(held.pool, held.wanted.relevant)
    return Examined(
        placement,
        view,
        reign,
        verdict,
        found,
        quality.reachable(held.pool, held.wanted, hits),
        found[0].gate.n_users if found else 0,
        quality.cohorts_told(held),
        gate.limits(found, verdict.challenger),
        curves=_curves(tonight.as_examined.ranker, held, scores[RANKER], hits) if tonight else {},
        over_windows=_over_windows(found, rehearsal),
    )


def _over_windows(found: list[quality.Contender], rehearsal: Rehearsal | None) -> dict[str, float]:
    if rehearsal is None:
        return {}
    return {name: c.gate.mean for name, c in quality.rehearsed(found, rehearsal).items()}


def _not_ready(ready: Placement, reign: Reign) -> gate.Verdict:
    """Where readiness says that popular items will be used, they take the place of a champion that learnt
    from a larger shop; also of one set by hand, since what readiness promises is published."""
    warning = ""
    if reign.by_hand:
        warning = (
            f"the champion set by hand, version {reign.version}, does not serve tonight:"
            f" {ready.told}. It serves again once the data suffices"
        )
    why = f"{ready.told}; nothing is examined"
    return gate.Verdict(None, SERVES_ALL, why, warning=warning)


def _goes_on(placement: str, reign: Reign) -> gate.Verdict:
    """Raises ModelError where nobody reigns: a shop that has models is not served bestsellers because
    somebody saved an hour."""
    if reign.recipe is None:
        raise ModelError(
            f"rec_{placement} has no champion that can serve, and tonight no ranker was trained"
            f"{': ' + reign.trouble if reign.trouble else ''}.",
            "Run the night again with retraining.",
        )
    return gate.Verdict(None, quality.CHAMPION, "not retrained tonight; the champion goes on")


def _unexamined(reign: Reign) -> gate.Verdict:
    why = "nobody and nothing to examine on: too short a history"
    if reign.recipe is not None:
        return gate.Verdict(None, quality.CHAMPION, f"{why}; the champion goes on")
    return gate.Verdict(None, SERVES_ALL, f"{why}; no champion can serve, so {SERVES_ALL} does")


def _curves(
    ranker: Ranker, held: quality.Examination, scores: np.ndarray, hits: np.ndarray
) -> dict[str, dict]:
    """How far tonight's ranker can be believed, and what it goes by."""
    importances, matrix = ranker.importances(), held.features(spaced(len(held.pool)))
    most = [name for name in importances if name in ranker.needs][:EXPLAINED_FEATURES]
    columns = {name: ranker.needs.index(name) for name in most}
    return {
        "calibration": calibration(scores, hits),
        "precision_recall": precision_recall(scores, hits),
        "importances": importances,
        "partial_dependence": partial_dependence(ranker.score, matrix, columns),
    }


def settle(
    registry: Registry, record: recording.Record, examined: Examined, attempt: Attempt
) -> Decision:
    """Logs the contenders, registers the challenger, promotes it or not; says who serves."""
    runs = record.contenders(examined)
    verdict = _with_trouble(examined.verdict, examined.reign)
    # A night registers and moves aliases alone, and looks again who reigns.
    with registry.alone():
        decision = _decide(registry, record, replace(examined, verdict=verdict), runs, attempt)
    record.decided(examined.placement, decision)
    record.compared(examined, verdict.serves)
    return decision


def _with_trouble(verdict: gate.Verdict, reign: Reign) -> gate.Verdict:
    """A champion that takes no part is told of; loudly, if it should have."""
    if not reign.trouble:
        return verdict
    warning = verdict.warning if reign.is_later else reign.trouble
    if reign.is_damaged:
        warning += ". Look who changed its files; move or delete the alias `champion` of the model in MLflow"
    return replace(verdict, why=f"{reign.trouble}; {verdict.why}", warning=warning)


def _decide(
    registry: Registry,
    record: recording.Record,
    examined: Examined,
    runs: dict[str, str],
    attempt: Attempt,
) -> Decision:
    verdict, reign, placement = examined.verdict, examined.reign, examined.placement
    challenger = examined.challenger
    why, promote = verdict.why, verdict.promoted and reign.may_give_way
    now = registry.champion(placement)
    if (now.version if now else None) != reign.version:
        where = f"moved to version {now.version}" if now else "was taken away"
        why += f"; the alias `champion` {where} while this night was examined, and is left alone"
        promote = False
    version = None
    if challenger is not None and _same(challenger.recipe, reign.recipe):
        why += "; it is the champion's own content, so no version is added"
        promote, version = False, reign.version
        registry.end_challenge(placement)
    elif challenger is not None:
        version = record.register(examined, challenger, runs[challenger.name], promote, why)
    if promote:
        registry.promote(placement, version, keep_previous=reign.is_damaged)
        registry.end_challenge(placement, version)
        record.promoted(examined, challenger, runs[challenger.name], version, why)
    more = {"promoted": promote, "why": why, "warning": verdict.warning, "challenger": version}
    if verdict.promoted and version != reign.version:
        return Decision(challenger.recipe, version, "challenger", **more)
    if verdict.promoted or verdict.serves == quality.CHAMPION:
        return Decision(reign.recipe, reign.version, "champion", **more)
    return Decision(Recipe(examined.view, verdict.serves), None, "baseline", **more)


def _same(challenger: Recipe, champion: Recipe | None) -> bool:
    return champion is not None and challenger.fingerprint() == champion.fingerprint()


def _write(
    shop: Shop,
    attempt: Attempt,
    examined: list[Examined],
    decisions: dict[str, Decision],
    data: dict,
    judged: Judged | None,
) -> None:
    keep_recipes(attempt, {p: d.recipe for p, d in decisions.items()})
    told = {p: d.told() for p, d in decisions.items()}
    write_json(attempt.root / "decision.json", told)
    report = {e.placement: _report(e, told[e.placement]) for e in examined}
    about_users = audience.read_report(attempt)
    told_of_night = {"data": data, "placements": report, "audience": about_users}
    told_of_night |= {"settings": judged.report()} if judged else {}
    write_json(attempt.quality, without_nan(told_of_night))
    _keep_fingerprints(shop, attempt, told)


def _report(examined: Examined, decision: dict[str, Any]) -> dict[str, Any]:
    return {
        "n_users": examined.n_users,
        "window_days": WINDOW_DAYS,
        "reachable": examined.reachable,
        "verdict": decision["why"],
        "warning": decision["warning"],
        "serving": decision["serving"],
        "serves_as": decision["serves_as"],
        "challenger": examined.verdict.challenger,
        "comparisons": [asdict(c) for c in examined.verdict.comparisons],
        "ndcg@10 over two windows": examined.over_windows,
        "limits": examined.limits,
        "cohorts": [asdict(c) for c in examined.cohorts],
        "contenders": quality.table(examined.found),
    }


def _keep_fingerprints(shop: Shop, attempt: Attempt, decisions: dict[str, dict]) -> None:
    """What each shelf's rows say they were made by: the recipe and every source it draws on."""
    sources = trained.told(attempt, "sources.json")
    drawn = "".join(sources[name]["fingerprint"] for name in sorted(sources))
    shelves = {
        p: hashlib.sha256((d["fingerprint"] + drawn).encode()).hexdigest()[:16]
        for p, d in decisions.items()
    }
    shelves |= {name: of[:16] for name, of in trained.told(attempt, "pairs.json").items()}
    settings = shop.model_dump_json(include={"events", "cleaning", "placements", "time_zone"})
    shelves["sql"] = hashlib.sha256((manifest_hash(attempt) + settings).encode()).hexdigest()[:16]
    write_json(attempt.root / "fingerprints.json", shelves)
