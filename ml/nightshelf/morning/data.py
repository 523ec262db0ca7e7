"""What came in, what was refused, what the doors said, and what the data is enough for."""

from __future__ import annotations

from typing import Any

from nightshelf.ingest.contract import REASONS, SET_ASIDE
from nightshelf.ingest.ledger import Ledger, LedgerFile
from nightshelf.morning.opened import DOORS, Opened

FLOW = ("n_copies", "n_after_night", "n_without_user", "n_kept", "n_raw", "source")
"""Columns of rpt_events that are no cleaning rule."""
SAMPLES = 3
MOST_BANDS = 16
"""Figures of the day that a person looks through; the door's own page has them all."""


def read(of: Opened) -> dict[str, Any]:
    """The ledger's sums over the files that this night could read, and its refused rows by reason."""
    files = _files(of)
    names = ("rows_read", "accepted", "quarantined", "set_aside")
    sums = {name: sum(getattr(file, name) for file in files) for name in names}
    return {"n_files": len(files), **sums, "reasons": _refused(of, files)}


def _files(of: Opened) -> list[LedgerFile]:
    inputs = of.manifest.get("inputs")
    ledger = of.attempt.shop.ledger
    if not ledger.exists():
        return []
    files = Ledger(ledger).files(current=inputs is None)
    if inputs is None:
        return files
    read = [f for f in files if inputs.get(f"{f.source}:{f.name}") == f.sha256]
    # Of one content taken under several mappings the last taking counts, as in the ledger.
    last = {(f.source, f.name): f for f in sorted(read, key=lambda f: f.replaced_by is None)}
    return list(last.values())


def _refused(of: Opened, files: list[LedgerFile]) -> list[dict[str, Any]]:
    """One row per reason: faults first, rows set aside last."""
    paths = sorted(str(p) for p in of.attempt.shop.quarantine.glob("*.parquet"))
    if not paths or not files:
        return []
    found = of.rows(
        """select reason, count(*) as n_rows, count(distinct file_id) as n_files,
            list(distinct raw order by raw)[:?] as samples
        from read_parquet(?) where list_contains(?, file_id)
        group by reason order by reason = ?, n_rows desc, reason""",
        SAMPLES,
        paths,
        [f.file_id for f in files],
        SET_ASIDE,
    )
    return [{**r, "means": REASONS.get(r["reason"], ""), "fault": r["reason"] != SET_ASIDE} for r in found]  # fmt: skip


def events(of: Opened) -> list[dict[str, Any]]:
    """One row per source: where every accepted event went; `dropped` is rule → events."""
    if not of.has("rpt_events"):
        return []
    found = of.rows("from tonight.rpt_events order by source")
    rules = [name for name in found[0] if name not in FLOW] if found else []
    return [
        {
            **row,
            "dropped": {r.removeprefix("n_").replace("_", " "): row[r] for r in rules if row[r]},
        }
        for row in found
    ]


def cleaning(of: Opened) -> list[dict[str, Any]]:
    """One row per source and rule that found something."""
    if not of.has("rpt_cleaning"):
        return []
    return of.rows(
        "from tonight.rpt_cleaning where n_events > 0 order by n_events desc, source, rule"
    )


def doors(of: Opened) -> list[dict[str, Any]]:
    """One row per door, also one that was not reached: rules by outcome, and those that do not hold."""
    return [_door(name, of.doors.get(name)) for name in DOORS]


def _door(name: str, told: dict[str, Any] | None) -> dict[str, Any]:
    rules = told["rules"] if told else []
    shut = [r for r in rules if r["outcome"] != "passed"]
    state = "not reached" if told is None else "shut" if not told["success"] else "open"
    return {"door": name, "state": state, "n_rules": len(rules), "shut": shut}


OUTSIDE = ("below", "above")
"""Verdicts of a figure outside its band; of a quiet day, or after too few days, none is passed."""


def bands(of: Opened) -> dict[str, Any]:
    """The figures of the newest day that landed, each inside the band learnt from the days before it.

    Figures of single categories, hours and columns are counted and shown only where they lie outside.
    """
    found = [f for rule in of.doors.get("raw", {}).get("rules", ()) for f in rule["listed"]]
    newest = max((f["day"] for f in found), default=None)
    of_day = [f for f in found if f["day"] == newest]
    target = of.shop.events.target
    outside = [f for f in of_day if f["verdict"] in OUTSIDE]
    one_each = [f for f in of_day if f not in outside and f["key"] in ("", target)]
    shown = [*outside, *one_each][:MOST_BANDS]
    return {
        "day": newest,
        "n_figures": len(of_day),
        "n_outside": len(outside),
        "shown": [f | _on_a_line(f) for f in shown],
    }


def _on_a_line(figure: dict[str, Any]) -> dict[str, float]:
    """Where band and figure lie on a line from 0 to 1; the line ends beyond all of them. A band that is
    open at the top runs to the end of it."""
    known = [figure[key] or 0.0 for key in ("low", "high", "observed", "usual")]
    end = 1.15 * max(*known, 1e-9)
    high = end if figure["high"] is None else figure["high"]
    places = {"from": figure["low"] or 0.0, "to": high, "at": figure["observed"] or 0.0}
    return {key: min(max(value / end, 0.0), 1.0) for key, value in places.items()}


def readiness(of: Opened) -> list[dict[str, Any]]:
    if not of.has("rpt_readiness"):
        return []
    return of.rows("from tonight.rpt_readiness order by is_ready, placement")


def gaps(of: Opened) -> list[dict[str, Any]]:
    if not of.has("rpt_gaps"):
        return []
    return of.rows(
        """select *, is_lacking or (of_all is not null and has < of_all) as costs
        from tonight.rpt_gaps order by is_lacking desc, costs desc, gap"""
    )
