"""The evaluate stage: contenders on the last window, MLflow's record of it, and the promotion."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from nightshelf import audience, quality
from nightshelf.candidates import model_params
from nightshelf.learning import load_labels, load_rankers, ranker_settings, taken
from nightshelf.night import Night
from nightshelf.paths import PROJECT, Attempt, Home
from nightshelf.placement import PLACEMENT_VIEWS
from nightshelf.progress import Progress
from nightshelf.ranking import features
from nightshelf.ranking.pool import Pool
from nightshelf.readiness import Placement, read_readiness
from nightshelf.recipe import RANKER, Recipe
from nightshelf.registry import Registered, Registry
from nightshelf.scoring import keep_recipes
from nightshelf.settings import Shop
from nightshelf.storage import read_json, sha256_of, write_json
from nightshelf.transform import manifest_hash
from nightshelf.warehouse import connect


@dataclass(frozen=True, eq=False)
class Examined:
    """One placement's examination."""

    placement: str
    found: list[quality.Contender]
    verdict: quality.Verdict
    champion: Registered | None
    reachable: float
    n_users: int

    def champion_is_later(self, night: Night) -> bool:
        """A champion of a later night may have learnt from this night's examination: it neither
        competes nor gives way when an older night is run again."""
        return self.champion is not None and self.champion.night > night.date.isoformat()


def judge_night(home: Home, shop: Shop, night: Night, attempt: Attempt, progress: Progress) -> str:
    """Examines both placements, promotes or not, writes quality.json and decision.json."""
    registry = Registry(home, shop.name)
    data = data_fingerprint(attempt)
    tags = {
        "night": night.date.isoformat(),
        "attempt": str(attempt.number),
        "dbt_manifest_sha256": manifest_hash(attempt),
        "requirements_lock_sha256": sha256_of(PROJECT / "requirements.lock"),
        **{f"data_{k}": str(v) for k, v in data.items()},
    }
    parent = registry.begin(f"night {night.date} attempt {attempt.number}", None, tags)
    try:
        _log_sources(registry, parent, attempt, tags, progress)
        readiness = read_readiness(attempt)
        examined = []
        for placement, view in PLACEMENT_VIEWS.items():
            progress.advance(f"examining rec_{placement}")
            ready = readiness.of(f"rec_{placement}")
            examined.append(_examine(registry, placement, view, ready, night, attempt))
        decision = {
            e.placement: _settle(registry, parent, e, night, attempt, tags, progress)
            for e in examined
        }
        progress.advance("MLflow: audience")
        about_users = audience.record(registry, parent, attempt, tags)
    except BaseException:
        registry.finish(parent, "FAILED")
        raise
    registry.log(parent, {"shop": shop.model_dump_json()}, {})
    registry.finish(parent)
    _write(shop, attempt, examined, decision, data, about_users)
    return "; ".join(
        f"{p}: {d['serving']} ({'promoted' if d['promoted'] else 'the champion stays'})"
        for p, d in decision.items()
    )


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


def _examine(
    registry: Registry,
    placement: str,
    view: str,
    ready: Placement,
    night: Night,
    attempt: Attempt,
) -> Examined:
    champion = registry.champion(placement)
    if not ready.is_ready:
        return _unexamined(placement, view, champion, True, ready.told)
    competes = champion is not None and champion.night <= night.date.isoformat()
    reigning = champion.recipe if competes else None
    wanted = load_labels(attempt, view)
    path = attempt.candidates / f"evaluate_{view}.parquet"
    pool = Pool.read(path) if wanted is not None else None
    if pool is None or not len(pool):
        why = "nobody and nothing to examine on: too short a history"
        return _unexamined(placement, view, champion, reigning is None, why)
    with connect(attempt.database) as db:
        matrix = features.attach(db, pool, night.as_of("evaluate"))
    names = features.names(list(pool.scores))
    if reigning and not _usable(reigning, pool, names):
        reigning = None
    ranker = load_rankers(attempt)[view]
    tonight = Recipe(view, RANKER, ranker) if ranker else None
    found = quality.contenders(pool, matrix, wanted, tonight, reigning)
    verdict = quality.judge(found)
    reach = quality.reachable(pool, wanted, taken(pool, wanted))
    return Examined(placement, found, verdict, champion, reach, len(wanted.users))


def _unexamined(
    placement: str, view: str, champion: Registered | None, promoted: bool, why: str
) -> Examined:
    """Popular items: the list that needs no examination. Where readiness says that they will be
    used, they take the place of a champion that learnt from a larger shop."""
    found = [quality.Contender("popularity", Recipe(view, "popularity"), {}, {})]
    verdict = quality.Verdict("popularity", promoted, why, None)
    return Examined(placement, found, verdict, champion, float("nan"), 0)


def _usable(recipe: Recipe, pool: Pool, names: list[str]) -> bool:
    """A champion whose source or features are gone cannot serve; the challenger takes its place."""
    if recipe.source == RANKER:
        return recipe.fits(names)
    return recipe.source in pool.ranks


def _log_sources(
    registry: Registry, parent: str, attempt: Attempt, tags: dict, progress: Progress
) -> None:
    """A child run a source: what it was fitted with, and the fitted arrays."""
    sources = read_json(attempt.models / "sources.json")
    params = model_params()
    for name, saved in sources.items():
        progress.advance(f"MLflow: {name}")
        run = registry.begin(name, parent, {**tags, "sha256": saved["sha256"]})
        registry.log(
            run,
            {**asdict(params[name]), "fingerprint": saved["fingerprint"]},
            {"fit_seconds": saved["seconds"]},
            {"model": attempt.models / saved["file"]},
        )
        registry.finish(run)


def _settle(
    registry: Registry,
    parent: str,
    examined: Examined,
    night: Night,
    attempt: Attempt,
    tags: dict,
    progress: Progress,
) -> dict:
    """Logs the contenders, registers the challenger, promotes it or not; says who serves."""
    verdict, placement = examined.verdict, examined.placement
    challenger = next(c for c in examined.found if c.name == verdict.challenger)
    progress.advance(f"MLflow: rec_{placement}")
    run = _log_contenders(registry, parent, examined, challenger, tags)
    why = {"verdict": "promoted" if verdict.promoted else "not promoted", "why": verdict.why}
    folder = attempt.models / "challengers" / placement
    version = registry.register(placement, challenger.recipe, run, folder, {**tags, **why})
    promoted = verdict.promoted and not examined.champion_is_later(night)
    if promoted:
        registry.promote(placement, version)
    serving = challenger.recipe if verdict.promoted else examined.champion.recipe
    return {
        "recipe": serving,
        "serving": serving.source,
        "version": version if verdict.promoted else examined.champion.version,
        "promoted": promoted,
        "why": verdict.why,
        "fingerprint": serving.fingerprint(),
    }


def _log_contenders(
    registry: Registry, parent: str, examined: Examined, challenger: quality.Contender, tags: dict
) -> str:
    """A child run a contender; returns the challenger's."""
    kept = ""
    for contender in examined.found:
        name = f"{examined.placement}: {contender.name}"
        run = registry.begin(name, parent, {**tags, "placement": examined.placement})
        means = {m: contender.mean(m) for m in contender.per_user}
        bounds = {}
        if contender.per_user:
            bounds = {"ndcg@10_low": contender.gate.low, "ndcg@10_high": contender.gate.high}
        registry.log(run, _parameters(contender.recipe), {**means, **bounds, **contender.coverage})
        registry.finish(run)
        kept = run if contender is challenger else kept
    return kept


def _parameters(recipe: Recipe) -> dict:
    shared = {"source": recipe.source, "view": recipe.view, "fingerprint": recipe.fingerprint()}
    if recipe.ranker is None:
        return shared
    settings = {k: v for part in asdict(ranker_settings()).values() for k, v in part.items()}
    return shared | {"kind": recipe.ranker.kind} | settings


def _write(
    shop: Shop,
    attempt: Attempt,
    examined: list[Examined],
    decision: dict,
    data: dict,
    about_users: dict,
) -> None:
    keep_recipes(attempt, {p: d.pop("recipe") for p, d in decision.items()})
    write_json(attempt.root / "decision.json", decision)
    report = {
        e.placement: {
            "n_users": e.n_users,
            "reachable": e.reachable,
            "verdict": e.verdict.why,
            "contenders": quality.table(e.found) if e.n_users else [],
        }
        for e in examined
    }
    write_json(attempt.quality, {"data": data, "placements": report, "audience": about_users})
    _keep_fingerprints(shop, attempt, decision)


def _keep_fingerprints(shop: Shop, attempt: Attempt, decision: dict) -> None:
    """What each shelf's rows say they were made by: the recipe and every source it draws on."""
    sources = read_json(attempt.models / "sources.json")
    drawn = "".join(sources[name]["fingerprint"] for name in sorted(sources))
    shelves = {
        p: hashlib.sha256((d["fingerprint"] + drawn).encode()).hexdigest()[:16]
        for p, d in decision.items()
    }
    shelves["similar_items"] = sources["item_knn"]["fingerprint"][:16]
    shelves["bought_together"] = read_json(attempt.models / "pairs.json")["fingerprint"][:16]
    settings = shop.model_dump_json(include={"events", "cleaning", "placements", "time_zone"})
    shelves["sql"] = hashlib.sha256((manifest_hash(attempt) + settings).encode()).hexdigest()[:16]
    write_json(attempt.root / "fingerprints.json", shelves)
