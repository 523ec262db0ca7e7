"""The train stage: every source fitted at each cut, the pools they propose, and the rankers.

What it leaves in the attempt: models/*.npz (the sources as they serve), candidates/<role>_<view>
.parquet (the pools), models/labels_<view>.npz, models/ranker_<view>.npz, examined_ and rehearsal_<view>.npz,
models/trained.json (their sha256), scores/similar_items and scores/bought_together, and what
`placement_scores` writes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix, vstack

from nightshelf.ahead import in_order
from nightshelf.candidates import (
    CandidateModel,
    bought_together,
    fingerprint,
    load_npz,
    save_npz,
)
from nightshelf.candidates.base import one_blas_thread
from nightshelf.dataset.baskets import Baskets, load_baskets
from nightshelf.dataset.catalogue import load_catalogue
from nightshelf.dataset.interactions import (
    InteractionLog,
    Interactions,
    day_number,
    load_log,
    pack_ids,
    positions,
    unpack_ids,
)
from nightshelf.errors import InputError
from nightshelf.evaluation import Labels, labels
from nightshelf.learning import placement_scores, trained
from nightshelf.learning.scores import ids_of, write_scores
from nightshelf.night import ROLES, TRAIN_ROLES, WINDOW_DAYS, Night
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import pinned
from nightshelf.progress import Progress
from nightshelf.ranking import choice, features
from nightshelf.ranking.choice import Lesson, Rehearsal, Trained
from nightshelf.ranking.labelled import labelled, read_features
from nightshelf.ranking.pool import VIEWS, Pool
from nightshelf.ranking.proposals import Proposals, ProposalsWriter, write_proposals
from nightshelf.ranking.propose import per_source, propose, propose_parts
from nightshelf.ranking.ranker import Ranker
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.settings.models import ModelSettings
from nightshelf.settings.shop import Shop
from nightshelf.storage import write_json
from nightshelf.tuning.tried import Tried
from nightshelf.warehouse import connect, cores

MOST_EXAMINED = 10_000
"""Users whose labels a cut teaches, or is examined by. Of more the interval of nDCG hardly narrows (it is
half a hundredth wide by then), and each has five hundred candidates."""


@dataclass(frozen=True)
class Learnt:
    candidates: int
    told: str


@dataclass(frozen=True, eq=False)
class Cut:
    """One role's learning: what was seen, the sources fitted on it, and its labels by view."""

    role: str
    interactions: Interactions
    models: Mapping[str, CandidateModel]
    seconds: Mapping[str, float]
    labels: Mapping[str, Labels]
    known: Interactions
    """The target's rows as of the end of the labels' window; at serve, what was seen."""


def train_night(shop: Shop, night: Night, attempt: Attempt, progress: Progress) -> Learnt:
    """Fits, proposes, trains, writes. A cut without earlier events, or whose window nobody shopped
    in, is left out: then there is no ranker, or nothing to examine on, and the night says so."""
    trained.clear(attempt)
    progress.advance("reading the interactions")
    with connect(attempt.database) as db:
        log = load_log(db, shop.events.target)
    going_by = pinned(attempt)
    tried, newest = Tried(going_by), {}
    n_candidates = n_cuts = 0
    lessons: dict[str, list[Lesson]] = {view: [] for view in VIEWS}
    for role in ROLES if going_by.retrains else ("serve",):
        cut = None  # the models of the cut before go first: two cuts' do not fit where one's do
        cut = fit_cut(shop, night, role, log, attempt, progress)
        if cut is None:
            continue
        n_cuts += 1
        progress.advance(f"{role} as of {night.as_of(role)}: candidates")
        deep = per_source(shop.placements.k)
        if role == "serve":
            n_candidates += _propose_to_all(cut, attempt, deep, progress)
            _write_serving(cut, shop, night, attempt, progress)
            continue
        # Contenders are compared on the last of the train cuts alone.
        compared = tried.ranker_changed if role == "evaluate" else role == TRAIN_ROLES[-1]
        n, found = _learnt_of(cut, night, attempt, deep, compared)
        n_candidates += n
        if role == "evaluate":
            tried.sources(cut.models, cut.interactions, cut.labels, progress)
            newest = found
        else:
            for view, lesson in found.items():
                lessons[view].append(lesson)
    names, n_sources = features.names(list(cut.models)), len(cut.models)
    del cut  # some hundred MB, while rankers need their own
    rankers = _train_rankers(lessons, newest, names, going_by.settings, progress)
    _save_rankers(rankers, attempt)
    if newest and tried.ranker_changed:
        others = _train_rankers(lessons, {}, names, going_by.tried, progress)
        tried.rankers(rankers, others, newest)
    tried.write(attempt)
    trained.seal(attempt)
    told = [
        f"{view}: {t.ranker.kind if t.ranker else 'no ranker, too few labels'}"
        for view, t in rankers.items()
    ]
    told = told if going_by.retrains else ["no ranker: not asked to retrain"]
    return Learnt(n_candidates, "; ".join([f"{n_sources} sources at {n_cuts} cuts", *told]))


def fit_cut(
    shop: Shop,
    night: Night,
    role: str,
    log: InteractionLog,
    attempt: Attempt,
    progress: Progress,
) -> Cut | None:
    """Fits every source on what lies before the role's cut. None where a cut cannot be used."""
    types = [t for t, w in shop.events.weights.items() if w > 0]
    try:
        with connect(attempt.database) as db:
            catalogue = load_catalogue(db, night.as_of(role))
        seen = log.as_of(night.as_of(role), types, catalogue)
        wanted, known = {}, seen
        if role != "serve":
            wanted, known = _labels(log, shop, night, role, seen)
    except InputError:
        if role == "serve":
            raise
        return None
    if role != "serve" and not len(wanted["all"].users):
        return None
    models = pinned(attempt).settings.models()
    asked = sorted({u for of_view in wanted.values() for u in of_view.users}) if wanted else None
    progress.advance(f"{role} as of {night.as_of(role)}: {len(models)} sources")
    with one_blas_thread(), ThreadPoolExecutor(cores()) as pool:
        seconds = dict(pool.map(lambda model: _fitted(model, seen, asked, progress), models))
    return Cut(role, seen, {model.name: model for model in models}, seconds, wanted, known)


def _fitted(
    model: CandidateModel, seen: Interactions, asked: Sequence[str] | None, progress: Progress
) -> tuple[str, float]:
    """Fits; the model's name and the seconds it took beside the others."""
    started = time.perf_counter()
    model.fit(seen, asked)
    seconds = time.perf_counter() - started
    if seconds > 2:
        progress.advance(f"{model.name} fitted in {seconds:.0f} s")
    return model.name, round(seconds, 3)


def _labels(
    log: InteractionLog, shop: Shop, night: Night, role: str, seen: Interactions
) -> tuple[dict[str, Labels], Interactions]:
    """What users took in the window after the cut, as far as it stood when the window ended: a later
    refund or login would be news of the examination to the ranker that is examined. And all that was
    known of the target by then."""
    first, end = night.as_of(role), night.as_of(role) + timedelta(days=WINDOW_DAYS)
    known = log.as_of(end, [shop.events.target])
    window = known.window(day_number(first), day_number(end))
    return {view: labels(seen, window, view).of_some(MOST_EXAMINED) for view in VIEWS}, known


def _learnt_of(
    cut: Cut, night: Night, attempt: Attempt, deep: int, compared: bool
) -> tuple[int, dict[str, Lesson]]:
    """How many rows were proposed to the labelled users of a cut, and what they teach, by view. Keeps
    what the examination looks at."""
    of_all = cut.labels["all"]
    found = propose(cut.models, of_all.users, of_all.seen, deep)
    if cut.role == "evaluate":
        write_proposals(attempt.candidates / "evaluate.parquet", found)
        for view, wanted in cut.labels.items():
            save_npz(attempt.models / f"labels_{view}.npz", _label_arrays(wanted))
    return len(found), _lessons(cut, found.by_view(), night, attempt, compared)


def _propose_to_all(cut: Cut, attempt: Attempt, deep: int, progress: Progress) -> int:
    """Writes what the sources propose to every user, part by part; returns the rows."""
    with connect(attempt.database) as db:
        ids = db.execute("select user_id from marts.dim_users order by user_id").fetchall()
    users = np.array([i[0] for i in ids], dtype=object)
    done = 0
    with ProposalsWriter(attempt.candidates / "serve.parquet") as file:

        def write(part: Proposals) -> int:
            file.add(part)
            return len(part.users)

        # Compressing a part is the work of one core, a tenth of the whole: beside the next part.
        parts = propose_parts(cut.models, users, _bought(cut, users), deep)
        for n_users in in_order(write, parts, at_once=1):
            done += n_users
            progress.advance(f"candidates for {done:,} of {len(users):,} users")
    return file.rows


def _bought(cut: Cut, users: np.ndarray) -> csr_matrix:
    """(len(users), n_items) bool; an empty row for who took nothing."""
    bought = cut.interactions.taken()
    padded = vstack([bought, csr_matrix((1, bought.shape[1]), dtype=bool)], format="csr")
    rows = positions(cut.interactions.users, users)
    return padded[np.where(rows < 0, bought.shape[0], rows)].astype(bool)


def _lessons(
    cut: Cut, pools: Mapping[str, Pool], night: Night, attempt: Attempt, compared: bool
) -> dict[str, Lesson]:
    """One a view, side by side: joining features to a pool is mostly the work of one core."""
    params, number = pinned(attempt).settings.ranker.ranker, ROLES.index(cut.role)

    with connect(attempt.database) as db, ThreadPoolExecutor(cores()) as threads:

        def lesson(view: str) -> Lesson:
            as_of, wanted, pool = night.as_of(cut.role), cut.labels[view], pools[view]
            reads = read_features(attempt, pool, as_of)
            found = labelled(db.cursor(), pool, as_of, wanted, cut.known, params.burst, reads)
            return choice.lesson(found, params, number, compared)

        return dict(zip(pools, threads.map(lesson, pools), strict=True))


def _train_rankers(
    lessons: Mapping[str, list[Lesson]],
    newest: Mapping[str, Lesson],
    names: list[str],
    settings: ModelSettings,
    progress: Progress,
) -> dict[str, Trained]:
    """One ranker a view, from the labels in the windows after the train cuts, and renewed by those
    after the newest one; side by side, since much of each is the work of one core."""
    progress.advance("rankers for the views " + " and ".join(f"'{view}'" for view in lessons))
    with one_blas_thread(), ThreadPoolExecutor(len(lessons)) as pool:
        found = pool.map(
            lambda view: choice.train(lessons[view], names, settings.ranker, newest.get(view)),
            lessons,
        )
        return dict(zip(lessons, found, strict=True))


def _save_rankers(rankers: Mapping[str, Trained], attempt: Attempt) -> None:
    saved = {
        view: {
            "files": {
                name: save_npz(attempt.models / f"{name}_{view}.npz", ranker.arrays())
                for name, ranker in (("ranker", t.renewed), ("examined", t.ranker))
                if ranker is not None
            },
            "told": t.told,
            "compared": t.compared,
            "unproposed": t.unproposed,
        }
        for view, t in rankers.items()
    }
    write_json(attempt.models / "rankers.json", saved)
    for view, t in rankers.items():
        if t.rehearsal is not None:
            save_npz(attempt.models / f"rehearsal_{view}.npz", _rehearsal_arrays(t.rehearsal))


def _rehearsal_arrays(found: Rehearsal) -> dict[str, np.ndarray]:
    sources = {f"source_{name}": values for name, values in found.sources.items()}
    return {**pack_ids("users", found.users), "ranker": found.ranker, **sources}


def load_rehearsal(attempt: Attempt, view: str) -> Rehearsal | None:
    """None where the ranker had nothing to be compared on."""
    found = trained.arrays(attempt, f"rehearsal_{view}")
    if found is None:
        return None
    sources = {
        name.removeprefix("source_"): values
        for name, values in found.items()
        if name.startswith("source_")
    }
    return Rehearsal(unpack_ids("users", found), found["ranker"], sources)


def load_ranker(attempt: Attempt, view: str) -> Recipe | None:
    """Tonight's ranker and its twin; None where there were too few labels."""
    files = trained.told(attempt, "rankers.json")[view]["files"]
    if not files:
        return None
    rankers = (
        Ranker.from_arrays(load_npz(attempt.models / f"{name}_{view}.npz", files[name]))
        for name in ("ranker", "examined")
    )
    return Recipe(view, RANKER, *rankers)


def _label_arrays(wanted: Labels) -> dict[str, np.ndarray]:
    arrays = pack_ids("users", wanted.users)
    for name, matrix in (("relevant", wanted.relevant), ("seen", wanted.seen)):
        arrays |= {
            f"{name}_indptr": matrix.indptr,
            f"{name}_indices": matrix.indices,
            f"{name}_shape": np.array(matrix.shape),
        }
    return arrays


def load_labels(attempt: Attempt, view: str) -> Labels | None:
    """The examination's labels; None where there was nobody to examine on."""
    found = trained.arrays(attempt, f"labels_{view}")
    if found is None:
        return None
    return Labels(
        unpack_ids("users", found), _matrix(found, "relevant"), _matrix(found, "seen"), view
    )


def _matrix(arrays: Mapping[str, np.ndarray], name: str) -> csr_matrix:
    indices = arrays[f"{name}_indices"]
    ones = np.ones(len(indices), dtype=bool)
    shape = tuple(arrays[f"{name}_shape"])
    return csr_matrix((ones, indices, arrays[f"{name}_indptr"]), shape=shape)


def _write_serving(
    cut: Cut, shop: Shop, night: Night, attempt: Attempt, progress: Progress
) -> None:
    progress.advance("writing the sources and the item pairs")
    saved = {}
    for name, model in cut.models.items():
        arrays = model.arrays()
        path = attempt.models / f"{name}.npz"
        saved[name] = {
            "fingerprint": fingerprint(arrays),
            "sha256": save_npz(path, arrays),
            "file": path.name,
            "seconds": cut.seconds[name],
        }
    write_json(attempt.models / "sources.json", saved)
    similar = _write_similar_items(cut, shop, attempt)
    params = pinned(attempt).settings["bought_together"]
    with connect(attempt.database) as db:
        baskets = load_baskets(db, night.as_of("serve"), params.days)
    pairs = _write_bought_together(shop, baskets, attempt)
    others = placement_scores.write(cut.interactions, cut.models, baskets, shop, attempt)
    write_json(
        attempt.models / "pairs.json",
        {"bought_together": pairs, "similar_items": similar, **others},
    )


def _write_similar_items(cut: Cut, shop: Shop, attempt: Attempt) -> str:
    """scores/similar_items.parquet: (item_id, similar_item_id, score, rank, source): of items that too
    few took for item_knn to know them, what looks like them. Returns its fingerprint."""
    items = cut.models["item_knn"].items
    # Twice the shelf, so that items that may not be shown leave no holes.
    k = 2 * shop.placements.k_similar
    found = cut.models["item_knn"].similar_items(k)
    unknown = placement_scores.freshest_without(
        cut.interactions, found.users, shop.placements.look_alikes
    )
    alike = cut.models["content"].similar_items(k, unknown)
    parts = (("item_knn", found), ("content", alike))
    users, codes, scores, ranks = (
        np.concatenate([getattr(part, column) for _, part in parts])
        for column in ("users", "item_codes", "scores", "ranks")
    )
    table = {
        "item_id": ids_of(items, users),
        "similar_item_id": ids_of(items, codes),
        "score": pa.array(scores.astype(np.float64)),
        "rank": pa.array(ranks.astype(np.int32)),
        "source": pa.array([name for name, part in parts for _ in range(len(part))], pa.string()),
    }
    write_scores(attempt, "similar_items", table)
    return fingerprint({"items": users, "similar": codes, "scores": scores})


def _write_bought_together(shop: Shop, baskets: Baskets, attempt: Attempt) -> str:
    """scores/bought_together.parquet: (item_id, companion_id, score, rank, n_baskets).

    Returns its fingerprint.
    """
    found = bought_together(
        baskets.basket_codes,
        baskets.item_codes,
        len(baskets.items),
        2 * shop.placements.k_together,
        pinned(attempt).settings["bought_together"],
        baskets.variants,
    )
    table = {
        "item_id": ids_of(baskets.items, found.items),
        "companion_id": ids_of(baskets.items, found.companions),
        "score": pa.array(found.scores.astype(np.float64)),
        "rank": pa.array(found.ranks.astype(np.int32)),
        "n_baskets": pa.array(found.baskets),
    }
    write_scores(attempt, "bought_together", table)
    return fingerprint(
        {"items": found.items, "companions": found.companions, "scores": found.scores}
    )
