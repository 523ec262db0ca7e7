"""The model card of a registered version, as Markdown: what it is, what it was made of, how it was
measured, for whom it is weak. After Mitchell et al. 2019.

Text that comes from a shop is quoted as code, where no renderer reads markup, links or HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = {
    "ndcg@10": "nDCG@10",
    "recall@10": "recall@10",
    "average_precision@10": "MAP@10",
    "reciprocal_rank@10": "MRR@10",
    "hit_rate@10": "hit@10",
}
OF_LISTS = {
    "coverage@10": "coverage",
    "gini@10": "Gini of exposure",
    "novelty@10": "novelty, bits",
    "diversity@10": "diversity",
    "repeat_share@10": "repeats",
}
FEW = 3
"""Other contenders in a brief card."""
WHAT_VIEWS_ARE = {
    "all": "everything users took, repeats among it",
    "new": "what users had never taken before",
}


@dataclass(frozen=True)
class Card:
    """What a card says. Lists of (label, text) are lines; `contenders` are rows of quality.table."""

    model: str
    shop: str
    placement: str
    view: str
    verdict: str
    why: str
    made_by: Sequence[tuple[str, object]]
    """What it is: kind, features, settings, fingerprint."""
    made_of: Sequence[tuple[str, object]]
    """What it learnt from: rows, span, hash, cuts."""
    window: str
    n_users: int
    of: str
    """The contender that this version is."""
    contenders: Sequence[Mapping[str, Any]]
    cohorts: Sequence[tuple[str, str, str]]
    """("cold", "no or one date", "ndcg@10/users/cold")."""
    limits: Sequence[str]
    reproduce: Sequence[tuple[str, object]] = field(default=())
    beside: Sequence[str] = ()
    """Contenders that stand beside this version for every cohort: what it has to be better than."""

    def markdown(self, brief: bool = False) -> str:
        """What a reader asks first stands first. Brief: of the contenders only this version, what it has
        to be better than, and the best few; no figures of lists."""
        best = self._best_first()
        shown = [c for c in best if c["name"] in (self.of, *self.beside)] if brief else best
        if brief:
            shown = sorted([*shown, *[c for c in best if c not in shown][:FEW]], key=best.index)
        parts = [
            f"# {prose(self.model)}",
            f"How `rec_{self.placement}` of shop {quoted(self.shop)} is ranked: view"
            f" `{self.view}`, {WHAT_VIEWS_ARE[self.view]}.",
            f"**{self.verdict}**: {prose(self.why)}.",
            "## Known limits",
            _bullets(map(prose, self.limits)),
            "## How it was measured",
            f"On {self.n_users:,} users who took something in {self.window} and were there before,"
            " every item ranked. Whatever was examined had learnt from earlier days only; what serves has"
            " learnt from these days since. This version is in bold; in brackets the 95 % interval, by"
            " bootstrap over users.",
            _table(["model", *COLUMNS.values()], map(self._row, shown)),
            "" if brief else _table(["model", *OF_LISTS.values()], map(self._list_row, shown)),
            *self._cohort_table(),
            "## What it learnt from",
            _lines(self.made_of),
            "## What it is",
            _lines(self.made_by),
            "## To make it again",
            _lines(self.reproduce),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _best_first(self) -> list[Mapping[str, Any]]:
        return sorted(self.contenders, key=lambda c: -_number(c["ndcg@10"]))

    def _name(self, row: Mapping[str, Any]) -> str:
        shown = quoted(row["name"])
        return f"**{shown}**" if row["name"] == self.of else shown

    def _row(self, row: Mapping[str, Any]) -> list[str]:
        gate = _with_bounds(row, "ndcg@10")
        return [self._name(row), gate, *(figure(row[m]) for m in list(COLUMNS)[1:])]

    def _list_row(self, row: Mapping[str, Any]) -> list[str]:
        return [self._name(row), *(figure(row[m]) for m in OF_LISTS)]

    def _cohort_table(self) -> list[str]:
        mine = next((c for c in self.contenders if c["name"] == self.of), None)
        if mine is None or not self.cohorts:
            return []
        others = [c for n in self.beside for c in self.contenders if c["name"] == n != self.of]
        found = [
            [
                prose(cohort),
                prose(told),
                prose(key.split("/")[0]),
                f"{mine['intervals'][key][2]:,}",
                *(_with_bounds(each, key) for each in (mine, *others)),
            ]
            for cohort, told, key in self.cohorts
        ]
        names = ["this version", *(quoted(each["name"]) for each in others)]
        return [
            "By cohort. Users are told apart by the dates on which they took anything before; items by"
            " their age, and the head is as few items as make up half of what was taken. Of items it is"
            " the recall of what users took among them.",
            _table(["cohort", "who or what", "figure", "users", *names], found),
        ]


def quoted(text: object, width: int = 80) -> str:
    """Somebody else's text as a code span: one line, no backtick, no cell's end, not too long."""
    shown = "".join(c if c.isprintable() else "·" for c in str(text))
    shown = shown.replace("`", "'").replace("|", "¦").strip()
    if len(shown) > width:
        shown = shown[: width - 1] + "…"
    return f"`{shown}`" if shown else "–"


def prose(text: object) -> str:
    """Our own sentences, in which names hold underscores and intervals stand in brackets."""
    shown = "".join(c if c.isprintable() else "·" for c in str(text))
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]|#~":
        shown = shown.replace(sign, f"\\{sign}")
    return shown


def shortened(markdown: str, limit: int) -> str:
    """Whole lines up to `limit` characters; says where the rest is."""
    if len(markdown) <= limit:
        return markdown
    more = "\n\n*Shortened; the whole card is `model_card.md` among the run's artefacts.*\n"
    kept = markdown[: limit - len(more)]
    return kept[: kept.rfind("\n")].rstrip() + more


def figure(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _number(value: float | None) -> float:
    return -1.0 if value is None or math.isnan(value) else value


def _with_bounds(row: Mapping[str, Any], metric: str) -> str:
    return f"{figure(row[metric])} {_bounds(row, metric)}"


def _bounds(row: Mapping[str, Any], metric: str) -> str:
    low, high, _ = row["intervals"][metric]
    return "" if math.isnan(_number(low)) or math.isnan(low) else f"({low:.4f}–{high:.4f})"


def _lines(facts: Iterable[tuple[str, object]]) -> str:
    return _bullets(f"{prose(label)}: {quoted(text)}" for label, text in facts)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    told = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in told)
