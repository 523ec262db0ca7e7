"""How good tonight's lists are, by the examination: beside the baselines, and beside last night's."""

from __future__ import annotations

from typing import Any

from nightshelf.judging.quality import BASELINES, CHAMPION, GATE_METRIC
from nightshelf.morning.opened import Opened

SHOWN = 8
"""Contenders of a placement in the picture; whoever serves and the baselines are always among them."""
BESIDE = {"recall@10": "recall@10", "hit_rate@10": "hit@10", "coverage@10": "coverage", "novelty@10": "novelty", "diversity@10": "diversity"}  # fmt: skip
"""Key of a contender in quality.json → heading, beside nDCG@10."""


def examined(of: Opened) -> list[dict[str, Any]]:
    """One entry per placement that is examined: contenders best first, who serves and why, the
    cohorts, and what last night's ranker had on its own fortnight."""
    placements = of.quality.get("placements", {})
    return [_placement(of, name, found) for name, found in placements.items()]


def _placement(of: Opened, name: str, found: dict[str, Any]) -> dict[str, Any]:
    decision = of.manifest.get("models", {}).get(name, {})
    ranked = [_contender(c, found) for c in found["contenders"]]
    ranked.sort(key=lambda c: (-(c["mean"] or 0.0), c["name"]))
    shown = [c for n, c in enumerate(ranked) if n < SHOWN or c["role"]]
    before = of.quality_before.get("placements", {}).get(name, {})
    return {
        **{key: found[key] for key in ("n_users", "window_days", "reachable", "verdict", "warning", "limits")},
        "placement": name,
        "serving": found["serving"],
        "decision": decision,
        "served_by": served_by(decision),
        "contenders": shown,
        "n_left_out": len(ranked) - len(shown),
        "scale": max((c["high"] or c["mean"] or 0.0 for c in shown), default=0.0) or 1.0,
        "serves": next((c for c in ranked if c["role"] == "serves"), None),
        "baseline": next((c for c in ranked if c["name"] in BASELINES), None),
        "before": _serving(before),
        "cohorts": _cohorts(found, ranked),
    }  # fmt: skip


def _contender(told: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    low, high, _ = told["intervals"].get(GATE_METRIC, (None, None, 0))
    name = told["name"]
    role = "serves" if name == _who_serves(found) else "baseline" if name in BASELINES else ""
    figures = [told.get(key) for key in BESIDE]
    mean = told.get(GATE_METRIC)
    return {"name": name, "role": role, "mean": mean, "low": low, "high": high, "figures": figures, "of": told}  # fmt: skip


def served_by(decision: dict[str, Any]) -> str:
    """What the manifest says of who ranks: tonight's model promoted, an earlier champion, a baseline."""
    if not decision:
        return "nobody knows"
    version = f", version {decision['version']}" if decision.get("version") else ""
    how = {
        "challenger": "promoted tonight" if decision.get("promoted") else "tonight's model",
        "champion": "kept from an earlier night",
        "baseline": "a baseline",
    }.get(decision.get("serves_as"), "")
    return f"{decision['serving']}{version}" + (f", {how}" if how else "")


def _serving(found: dict[str, Any]) -> dict[str, Any] | None:
    of = (c for c in found.get("contenders", ()) if c["name"] == _who_serves(found))
    return next((_contender(c, found) for c in of), None)


def _who_serves(found: dict[str, Any]) -> str | None:
    """The contender's name. Who reigned before is examined as the champion, whatever it ranks by: the ranker
    beside it is tonight's, which may have been refused."""
    return CHAMPION if found.get("serves_as") == CHAMPION else found.get("serving")


def _cohorts(found: dict[str, Any], ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per cohort of users and items: whoever serves beside the baselines."""
    beside = [c for c in ranked if c["role"]]
    return [
        {
            "told": f"{cohort['name']} {cohort['figure'].split('/')[1]}: {cohort['told']}",
            "figure": cohort["figure"].split("/")[0],
            "size": cohort["size"],
            "of": [(c["name"], c["role"], *_interval(c["of"], cohort["figure"])) for c in beside],
        }
        for cohort in found["cohorts"]
    ]


def _interval(told: dict[str, Any], figure: str) -> tuple[float | None, float | None, float | None]:
    low, high, _ = told["intervals"].get(figure, (None, None, 0))
    return told.get(figure), low, high
