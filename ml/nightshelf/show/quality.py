"""The examination as tables: contenders, cohorts, and who serves."""

from __future__ import annotations

import math
from typing import Any

from nightshelf.progress import console
from nightshelf.steps import Run
from nightshelf.storage import read_left
from nightshelf.terminal import clean, figures_table

VIEWS_IN_WORDS = {"for_you": "all items", "discover": "items new to the user"}


FIGURES = {
    "recall@10": "recall@10",
    "average_precision@10": "MAP@10",
    "hit_rate@10": "hit@10",
    "ndcg@20": "nDCG@20",
    "coverage@10": "coverage",
    "novelty@10": "novelty",
    "diversity@10": "diversity",
}
"""Key of a contender in quality.json → heading, beside nDCG@10."""


BESIDE = ("own_history", "popularity", "champion")
"""Stand beside the challenger in the table of cohorts."""


def show_quality(run: Run) -> None:
    if not run.attempt.quality.exists():
        return
    report = read_left(run.attempt.quality, "evaluate")
    for placement, found in report["placements"].items():
        if found["contenders"]:
            _show_contenders(placement, found)
            _show_cohorts(placement, found)
        else:
            console.print(f"rec_{placement} is not examined.", markup=False)
        _show_verdict(found)
    if "settings" in report:
        console.print(f"{report['settings']['told']}: {report['settings']['why']}\n", markup=False)
    _show_audience(report.get("audience", {}))


def _show_audience(report: dict[str, Any]) -> None:
    """What the tables about users are made by, and how good that was on the last window."""
    if not report:
        return
    table = figures_table("What was learnt of users", "about")
    for name in ("by", "what was found"):
        table.add_column(name)
    for name, part in report.items():
        names = [s["name"] for s in part.get("segments", {}).values()]
        told = f"{part['told']}: {'; '.join(names)}" if names else part["told"]
        table.add_row(name.replace("_", " "), part["used"] or "nothing", clean(told, 200))
    console.print(table)


def _show_contenders(placement: str, found: dict[str, Any]) -> None:
    table = figures_table(
        f"Quality of rec_{placement}: {VIEWS_IN_WORDS[placement]}, the last"
        f" {found['window_days']} days, {found['n_users']:,} users, every item ranked",
        "model",
        "nDCG@10",
        "95 % interval",
        *FIGURES.values(),
    )
    for row in sorted(found["contenders"], key=lambda r: -_number(r["ndcg@10"])):
        interval = _interval(row, "ndcg@10")
        table.add_row(clean(row["name"]), _figure(row["ndcg@10"]), interval, *_of(row, FIGURES))
    console.print(table)


def _show_cohorts(placement: str, found: dict[str, Any]) -> None:
    """Users by nDCG@10, items by recall@10: the challenger beside the baselines and the champion."""
    by_name = {row["name"]: row for row in found["contenders"]}
    names = [n for n in dict.fromkeys((found["challenger"], *BESIDE)) if n in by_name]
    title = f"rec_{placement} by cohort: nDCG@10 of users, recall@10 of items, 95 % intervals"
    table = figures_table(title, "cohort", "users", *map(clean, names))
    for cohort in found["cohorts"]:
        figure = cohort["figure"]
        n_users = by_name[names[0]]["intervals"][figure][2]
        table.add_row(
            f"{cohort['name']} {figure.split('/')[1]}: {clean(cohort['told'])}",
            f"{n_users:,}",
            *(_with_interval(by_name[n], figure) for n in names),
        )
    console.print(table)


def _show_verdict(found: dict[str, Any]) -> None:
    console.print(f"  {found['verdict']}", markup=False)
    for told in found["limits"]:
        console.print(f"  {told}", markup=False)
    if found["warning"]:
        console.print(f"  WARNING: {found['warning']}", markup=False, style="bold red")
    if found["reachable"] is not None:
        console.print(
            f"  The sources proposed {found['reachable']:.1%} of what users took: no ranker can"
            " find more.",
            markup=False,
        )
    console.print()


def _of(row: dict[str, Any], figures: dict[str, str]) -> list[str]:
    return [_figure(row[key]) for key in figures]


def _interval(row: dict[str, Any], figure: str) -> str:
    low, high, _ = row["intervals"][figure]
    return "" if low is None else f"{_figure(low)}–{_figure(high)}"


def _with_interval(row: dict[str, Any], figure: str) -> str:
    """Three decimals: as many columns as fit on a terminal."""
    low, high, _ = row["intervals"][figure]
    return "–" if row[figure] is None else f"{row[figure]:.3f} {low:.3f}–{high:.3f}"


def _number(value: Any) -> float:
    return -1.0 if value is None or math.isnan(value) else value


def _figure(value: Any) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"
