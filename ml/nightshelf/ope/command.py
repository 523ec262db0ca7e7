"""`nightshelf ope`: a log, a policy, and a table of what the policy would have earned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from nightshelf.errors import SettingsError
from nightshelf.evaluation.bootstrap import Interval
from nightshelf.ope.files import read_impressions
from nightshelf.ope.log import LoggedImpressions
from nightshelf.ope.report import Findings, Options, evaluate
from nightshelf.progress import console
from nightshelf.terminal import figures_table

FEW = 100
"""An effective size below this is a warning: a hundred impressions hold a click or two."""


def run(log: Path, policy: Path | None, uniform: bool, options: Options) -> None:
    if (policy is None) != uniform:
        raise SettingsError(
            "One policy is to be evaluated.", "Pass either --policy FILE or --uniform."
        )
    rows = read_impressions(log, policy)
    found = evaluate(rows, options)
    console.print(_values(found, options))
    if rows.n_positions > 1:
        console.print(_by_position(rows, options))
    for line in doubts(found, options):
        console.print(f"! {line}", markup=False)


def _values(found: Findings, options: Options) -> Table:
    uncovered = "" if np.isnan(found.uncovered) else f", {found.uncovered:.1%} of its mass unseen"
    table = figures_table(
        f"{found.n_impressions:,} impressions of {found.logged.n_users:,} contexts, effective size "
        f"{found.effective_size:,.0f}{uncovered}",
        "estimator",
        "reward a slot",
        f"{options.sampling.level:.0%} interval",
    )
    for name, value in found.values.items():
        # The direct method's bounds leave its own error out: better none than those.
        table.add_row(name, _told(value)[0], "–" if name == "DM" else _told(value)[1])
    table.add_section()
    table.add_row("as logged", *_told(found.logged))
    table.add_row("mean weight", *_told(found.mean_weight))
    return table


def _by_position(rows: LoggedImpressions, options: Options) -> Table:
    """SNIPS alone: a model for each position would learn from too little."""
    table = figures_table(
        "By position",
        "position, in order",
        "SNIPS",
        "interval",
        "as logged",
        "effective size",
    )
    for position in range(rows.n_positions):
        found = evaluate(replace(rows.rows(rows.position == position), policy=None), options)
        value = _told(found.values["SNIPS"])
        size = f"{found.effective_size:,.0f}"
        table.add_row(str(position + 1), *value, _told(found.logged)[0], size)
    return table


def doubts(found: Findings, options: Options) -> list[str]:
    """Reasons not to believe the table, each with what to do."""
    lines = []
    if found.effective_size < FEW:
        lines.append(
            f"The weights leave {found.effective_size:.0f} impressions' worth: log longer, explore "
            "more, or ask about a policy nearer to the one that was logged."
        )
    if found.logged.n_users < 2:
        lines.append(
            "All impressions are of one context, and nothing says how far they could be chance: log "
            "more, or give each list that was shown a context_id of its own."
        )
    if any(np.isinf(value.high) for value in found.values.values()):
        lines.append(
            "So few rewards carry weight that nothing bounds the value from above: log longer."
        )
    if not found.fits:
        lines.append(
            f"The mean weight is {found.mean_weight.told()}, not 1: propensities are wrong, or the "
            "policy shows what the log's could not."
        )
    if found.clipped:
        lines.append(
            f"{found.clipped:,} weights were cut to {options.clip:g}: the estimates lean downwards."
        )
    if found.doubled:
        lines.append(
            f"{found.doubled:,} impressions repeat a context's item at its position, and count again: leave "
            "copies out, or tell lists apart by a column night or a context_id of their own."
        )
    return lines


def _told(value: Interval) -> tuple[str, str]:
    if np.isnan(value.low):
        return f"{value.mean:.5f}", "–"
    high = "∞" if np.isinf(value.high) else f"{value.high:.5f}"
    return f"{value.mean:.5f}", f"{value.low:.5f}–{high}"
