"""A shop's own impressions as a log for off-policy evaluation: the shelves' propensities, and what
users did with the slots that they saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from nightshelf.errors import InputError, SettingsError
from nightshelf.paths import Attempt, Home, ShopHome
from nightshelf.settings.shop import load_shop
from nightshelf.warehouse import connect

REWARDS = {
    "click": ("n_clicks > 0", "is_followed_1d"),
    "purchase": ("n_bought_7d > 0", "is_followed_7d"),
}
"""Reward → when an impression earned it, and whether the time to wait for it has passed."""


@contextmanager
def logged(home: Home, shop_file: Path, placement: str, reward: str) -> Iterator[Path]:
    """The log of the newest attempt that has its features, as a file that is gone afterwards.

    One row per slot that a user saw on a night's list, however often: its chance was drawn once. The
    context is the list's; of the list that everybody sees, the user. Raises InputError where no
    impression was matched, or where no slot was left to chance.
    """
    if reward not in REWARDS:
        raise SettingsError(f"'{reward}' is no reward.", f"Name one of {', '.join(REWARDS)}.")
    shop = load_shop(shop_file)
    attempt = _newest(home.shop(shop.name), shop.name)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "impressions.parquet"
        _write(attempt, placement.removeprefix("rec_"), reward, path)
        yield path


def _newest(shop: ShopHome, name: str) -> Attempt:
    folders = (p.parent.parent for p in shop.attempts.glob("*/*/stages/features.json"))
    found = [a for a in map(shop.attempt_in, folders) if a is not None]
    if not found:
        raise InputError(
            f"Shop '{name}' has no attempt with features, so no impression was looked at.",
            "Run `nightshelf night` first.",
        )
    return max(found, key=lambda a: (a.night, a.number))


def _write(attempt: Attempt, placement: str, reward: str, path: Path) -> None:
    earned, is_over = REWARDS[reward]
    given = {"placement": placement, "path": str(path)}
    with connect(attempt.database) as db:
        db.execute(
            f"""copy (
                select
                    case when context_type = 'all' then user_id else context_id end as context_id,
                    night, item_id, rank as position, propensity, max(({earned})::integer) as reward
                from marts.fct_impressions
                where placement = $placement and unmatched_because is null and {is_over}
                    -- Shown elsewhere than in its slot, its chance was another.
                    and coalesce(position = rank, true)
                group by night, context_type, context_id, user_id, item_id, rank, propensity
                order by night, context_type, context_id, user_id, rank
            ) to $path (format parquet)""",
            given,
        )
        n, least = db.execute(
            "select count(*), min(propensity) from read_parquet($path)", {"path": str(path)}
        ).fetchall()[0]
        told = db.execute(
            "select outcome, n_impressions from reports.rpt_impressions where placement = ?"
            " order by outcome",
            [placement],
        ).fetchall()
    if not n:
        outcomes = ", ".join(f"{outcome} {k:,}" for outcome, k in told) or "none at all"
        raise InputError(
            f"No impression of rec_{placement} can be weighed as of {attempt.night} by '{reward}';"
            f" impressions that name it: {outcomes}.",
            "docs/loop.md says what an impression must name, and how long each reward is waited for.",
        )
    if least == 1:
        raise InputError(
            f"All {n:,} slots of rec_{placement} that were seen had propensity 1: nothing was left to"
            " chance, so they tell of no other policy.",
            "Give rec_for_you or rec_discover a budget under [exploration] in the shop file, and wait"
            " some nights; docs/exploration.md says why not the others.",
        )
