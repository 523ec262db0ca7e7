"""Segments: users who shop alike, by k-means on their profiles. Numbers and names stay from night to
night.

Scaled features of user_profiles are clustered; how many clusters is the silhouette's choice; each
cluster takes the number of last night's segment with which it shares most users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np

from nightshelf.candidates.params import need
from nightshelf.dataset.interactions import pack_ids, unpack_ids

REACH = 3.0
"""Scaled values beyond three deviations are held there: one user who buys for a hotel is no segment."""
USUAL_DATES = 5.0
"""Dates of the average user that are mixed into a user's shares: of one date, any share is 0 or 1."""
SAMPLE = 2_000
"""Users that the silhouette looks at: it compares each with each."""
MAX_USERS = 100_000
"""That the clusters are fitted on."""
BEGINNINGS = 4
SLACK = 0.02
"""By how much of the spread last night's centres may be further off than tonight's: two fits of the same
users with other seeds differ by about as much."""
NEW_WORD, OLD_WORD = 0.5, 0.25
"""Deviations from the average at which a word comes into a name, and below which it leaves it: between
them a name stays as it was."""
WORDS = 3
SAME = 1 / 3
"""The share of users of either that a cluster and a segment must have in common to be the same: two of
equal size then share half their users."""


@dataclass(frozen=True)
class Trait:
    """One feature, and what a segment is called that has much or little of it."""

    name: str
    sql: str
    high: str
    low: str
    is_share: bool = False
    """Of dates: few dates say little, and the average is mixed in."""


TRAITS = (
    Trait("frequency", "ln(dates_per_28d)", "often", "rarely"),
    Trait("recency", "ln(days_since_last)", "away lately", "here lately"),
    Trait("basket", "ln(lines_per_date)", "large baskets", "small baskets"),
    Trait("price", "coalesce(price_level, ln(nullif(spend, 0) / n_lines))", "dear goods", "cheap goods"),
    Trait("repeats", "repeat_share", "the same again", "always something new", is_share=True),
    Trait("focus", "top_category_share", "one category", "many categories", is_share=True),
    Trait("brand", "top_brand_share", "one brand", "many brands", is_share=True),
    Trait("weekend", "weekend_share", "weekends", "weekdays", is_share=True),
    Trait("evening", "evening_share", "evenings", "by day", is_share=True),
)  # fmt: skip


@dataclass(frozen=True)
class SegmentParams:
    fewest: int = 4
    """Three are many, some and few visits: nobody needs a model for that."""
    most: int = 8
    """More than eight segments, and nobody has a plan for each."""
    margin: float = 0.02
    """What another number of segments must gain in silhouette to replace last night's."""
    seed: int = 20171201

    def __post_init__(self) -> None:
        need(self.fewest >= 2, "fewest", self.fewest, "at least 2")
        need(self.fewest <= self.most <= 20, "most", self.most, "between fewest and 20")
        need(self.margin >= 0, "margin", self.margin, "at least 0")


@dataclass(frozen=True, eq=False)
class Profiles:
    users: np.ndarray
    names: tuple[str, ...]
    """Of the traits that the shop can tell."""
    matrix: np.ndarray
    """(n_users, len(names)) float64: deviations from the average user, within REACH."""


@dataclass(frozen=True, eq=False)
class LastNight:
    """The segments that readers see while tonight's are made."""

    users: np.ndarray
    segments: np.ndarray
    names: Mapping[int, str]
    highest: int
    """The highest number given so far: a number that is free again is not given to others."""


@dataclass(frozen=True, eq=False)
class Segments:
    centers: np.ndarray
    """(k, n_traits) float64."""
    numbers: np.ndarray
    """(k,) int32: the segment's number."""
    names: tuple[str, ...]

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """(n_users,) int32: the number of the nearest centre."""
        return self.numbers[nearest(matrix, self.centers)]

    def arrays(self) -> dict[str, np.ndarray]:
        names = pack_ids("names", np.array(self.names, dtype=object))
        return {"centers": self.centers, "numbers": self.numbers, **names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Segments:
        names = tuple(unpack_ids("names", arrays))
        return cls(arrays["centers"], arrays["numbers"], names)


def read_profiles(db: duckdb.DuckDBPyConnection) -> Profiles:
    """audience.user_profiles of users with a date in the last 52 weeks, in the order of ids. A trait
    that the shop does not tell, or that is the same for all, is left out."""
    columns = ", ".join(f"{trait.sql} as {trait.name}" for trait in TRAITS)
    rows = db.execute(
        f"select user_id, n_dates, {columns} from audience.user_profiles where n_dates > 0"
        " order by user_id"
    ).fetchnumpy()
    n_dates = np.asarray(rows["n_dates"], dtype=np.float64)
    kept = {}
    for trait in TRAITS:
        values = np.ma.filled(np.ma.masked_array(rows[trait.name], dtype=np.float64), np.nan)
        if not np.isnan(values).all():
            scaled = _scaled(values, n_dates if trait.is_share else None)
            if scaled.any():
                kept[trait.name] = scaled
    matrix = np.column_stack(list(kept.values())) if kept else np.zeros((len(n_dates), 0))
    return Profiles(np.asarray(rows["user_id"], dtype=object), tuple(kept), matrix)


def _scaled(values: np.ndarray, n_dates: np.ndarray | None) -> np.ndarray:
    """Deviations from the mean; a user of whom nothing is known is average."""
    values = np.where(np.isnan(values), np.nanmean(values), values)
    if n_dates is not None:
        values = (values * n_dates + USUAL_DATES * values.mean()) / (n_dates + USUAL_DATES)
    spread = values.std()
    if spread < 1e-9:
        return np.zeros(len(values))
    return np.clip((values - values.mean()) / spread, -REACH, REACH)


def nearest(matrix: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """(n_users,) the row of the nearest centre, the first of equals."""
    found = np.zeros((len(matrix), len(centers)))
    for place, center in enumerate(centers):
        for column in range(matrix.shape[1]):
            found[:, place] += (matrix[:, column] - center[column]) ** 2
    return found.argmin(axis=1)


def learn(
    profiles: Profiles, before: LastNight | None, params: SegmentParams
) -> tuple[Segments | None, dict[str, object]]:
    """Clusters, numbers and names; None where users do not differ. About 2 s for 2,500 users."""
    n_different = len(np.unique(profiles.matrix, axis=0)) if profiles.names else 0
    if n_different < params.fewest:
        return None, {
            "k": 0,
            "told": f"{n_different} different profiles, {params.fewest} wanted",
            "highest": before.highest if before else 0,
        }
    tried = _tried(profiles, before, params, n_different)
    k = _choice({k: silhouette for k, (_, silhouette) in tried.items()}, before, params.margin)
    centers, silhouette = tried[k]
    numbers, highest = _numbers(nearest(profiles.matrix, centers), k, profiles.users, before)
    made = Segments(centers, numbers, _names(centers, numbers, profiles.names, before))
    report = {"k": k, "highest": highest, "silhouette": silhouette}
    report["silhouettes"] = {str(n): found for n, (_, found) in tried.items()}
    return made, report | _told(made, profiles, before)


def _tried(
    profiles: Profiles, before: LastNight | None, params: SegmentParams, n_different: int
) -> dict[int, tuple[np.ndarray, float]]:
    """Number of clusters → (centres, silhouette). As many as last night begin where those stood."""
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(params.seed)
    drawn = np.sort(rng.permutation(len(profiles.users))[:MAX_USERS])
    looked_at = np.sort(rng.permutation(len(profiles.users))[:SAMPLE])
    sample = profiles.matrix[looked_at]
    start = _centers_of(before, profiles)
    found = {}
    with threadpool_limits(1):
        for k in range(params.fewest, min(params.most, n_different) + 1):
            begin = start if start is not None and len(start) == k else None
            centers = _clustered(profiles.matrix[drawn], k, begin, params.seed)
            labels = nearest(sample, centers)
            if len(np.unique(labels)) == k < len(sample):
                found[k] = centers, float(silhouette_score(sample, labels))
    if not found:
        one = profiles.matrix.mean(axis=0, keepdims=True)
        found[1] = one, 0.0
    return found


def _clustered(matrix: np.ndarray, k: int, begin: np.ndarray | None, seed: int) -> np.ndarray:
    """(k, n_traits) centres: the best of a few random beginnings. Where last night's segments stand is
    kept as long as a fit that begins there is hardly closer: users move when they shop otherwise."""
    if begin is not None:
        again = _fitted(matrix, k, seed, init=begin, n_init=1)
        stands = _spread(matrix, begin) <= (1 + SLACK) * _spread(matrix, again)
        return begin if stands else again
    tried = [_fitted(matrix, k, seed + n, init="k-means++", n_init=3) for n in range(BEGINNINGS)]
    return min(tried, key=lambda centers: _spread(matrix, centers))


def _fitted(matrix: np.ndarray, k: int, seed: int, **begin) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(n_clusters=k, batch_size=2048, max_iter=100, random_state=seed, **begin)
    return model.fit(matrix).cluster_centers_


def _spread(matrix: np.ndarray, centers: np.ndarray) -> float:
    """The sum of squared distances to the nearest centre."""
    return float(((matrix - centers[nearest(matrix, centers)]) ** 2).sum())


def _centers_of(before: LastNight | None, profiles: Profiles) -> np.ndarray | None:
    """Where last night's segments stand in tonight's profiles."""
    if before is None:
        return None
    segments = _of_before(before, profiles.users)
    kept = [n for n in np.unique(before.segments) if (segments == n).any()]
    return np.stack([profiles.matrix[segments == n].mean(axis=0) for n in kept]) if kept else None


def _of_before(before: LastNight, users: np.ndarray) -> np.ndarray:
    """(n_users,) last night's segment of each user, 0 for one who had none."""
    known = dict(zip(before.users, before.segments.tolist(), strict=True))
    return np.array([known.get(user, 0) for user in users], dtype=np.int32)


def _choice(silhouettes: Mapping[int, float], before: LastNight | None, margin: float) -> int:
    """The best silhouette; last night's number as long as none is better by the margin."""
    best = max(silhouettes, key=lambda k: (silhouettes[k], -k))
    k_before = len(np.unique(before.segments)) if before else 0
    if k_before in silhouettes and silhouettes[best] <= silhouettes[k_before] + margin:
        return k_before
    return best


def _numbers(
    labels: np.ndarray, k: int, users: np.ndarray, before: LastNight | None
) -> tuple[np.ndarray, int]:
    """(k,) each cluster's number, and the highest ever given. A cluster that is none of last night's
    segments gets a new number, the largest cluster first."""
    numbers = np.zeros(k, dtype=np.int32)
    highest = before.highest if before else 0
    if before:
        numbers = matched(labels, k, _of_before(before, users), before.segments)
    sizes = np.bincount(labels, minlength=k)
    for place in sorted(np.flatnonzero(numbers == 0), key=lambda p: (-sizes[p], p)):
        highest += 1
        numbers[place] = highest
    return numbers, highest


def matched(
    labels: np.ndarray, k: int, of_before: np.ndarray, all_before: np.ndarray
) -> np.ndarray:
    """(k,) int32: for each cluster the number of the old segment that it goes on, or 0.

    The pairing whose Jaccard indices add up highest (the Hungarian method: Kuhn 1955); a pair that has
    less than SAME in common is none. `of_before` is 0 for users who had no segment.
    """
    from scipy.optimize import linear_sum_assignment

    numbers, sizes_before = np.unique(all_before, return_counts=True)
    sizes = np.bincount(labels, minlength=k)
    common = np.array(
        [[((labels == c) & (of_before == n)).sum() for n in numbers] for c in range(k)], dtype=float
    )
    jaccard = common / np.maximum(sizes[:, None] + sizes_before[None, :] - common, 1)
    found = np.zeros(k, dtype=np.int32)
    for cluster, place in zip(*linear_sum_assignment(-jaccard), strict=True):
        if jaccard[cluster, place] >= SAME:
            found[cluster] = numbers[place]
    return found


def _names(
    centers: np.ndarray, numbers: np.ndarray, traits: tuple[str, ...], before: LastNight | None
) -> tuple[str, ...]:
    """No two alike: a second one of the same words carries its number."""
    old = before.names if before else {}
    words = [
        name_of(dict(zip(traits, center, strict=True)), old.get(int(number), ""))
        for center, number in zip(centers, numbers, strict=True)
    ]
    return tuple(
        f"{name} ({number})" if words.count(name) > 1 else name
        for name, number in zip(words, numbers, strict=True)
    )


def name_of(deviations: Mapping[str, float], before: str = "") -> str:
    """The words of the strongest deviations, the strongest first: "often, small baskets, evenings".

    Where none is strong, the strongest stands alone. `before` stays as long as each of its words still
    holds, if weakly.
    """
    if before and all(_holds(word, deviations) for word in before.split(" (")[0].split(", ")):
        return before.split(" (")[0]
    strongest = sorted(deviations, key=lambda name: (-abs(deviations[name]), name))[:WORDS]
    bound = min(NEW_WORD, max(OLD_WORD, abs(deviations[strongest[0]])))
    told = [_word(name, deviations[name]) for name in strongest if abs(deviations[name]) >= bound]
    return ", ".join(told) or AVERAGE


AVERAGE = "average"


def _word(name: str, deviation: float) -> str:
    trait = next(t for t in TRAITS if t.name == name)
    return trait.high if deviation > 0 else trait.low


def _holds(word: str, deviations: Mapping[str, float]) -> bool:
    if word == AVERAGE:
        return all(abs(d) < NEW_WORD for d in deviations.values())
    signs = {t.high: (t.name, 1) for t in TRAITS} | {t.low: (t.name, -1) for t in TRAITS}
    name, sign = signs.get(word, ("", 0))
    return sign * deviations.get(name, 0.0) >= OLD_WORD


def _told(made: Segments, profiles: Profiles, before: LastNight | None) -> dict[str, object]:
    """Who is in which segment, what marks it, and which share of users is in another than last night."""
    segments = made.of(profiles.matrix)
    was = _of_before(before, profiles.users) if before else np.zeros(len(segments), dtype=np.int32)
    known = was > 0
    return {
        "n_users": len(segments),
        "moved": float((segments[known] != was[known]).mean()) if known.any() else None,
        "segments": {
            str(number): {
                "name": name,
                "users": int((segments == number).sum()),
                "deviations": dict(zip(profiles.names, np.round(center, 3).tolist(), strict=True)),
            }
            for number, name, center in sorted(
                zip(made.numbers.tolist(), made.names, made.centers, strict=True),
                key=lambda s: s[0],
            )
        },
    }
