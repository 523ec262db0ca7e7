"""What a door found, as data, as JSON, as a page, and as an error.

Values in samples come from strangers' logs: they are shown escaped and cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nightshelf.errors import DoorBroken, DoorClosed
from nightshelf.storage import write_atomically, write_json

__all__ = ["DoorResult", "RuleResult", "printable", "raise_if_shut", "write"]

PASSED, FAILED, BROKEN, SKIPPED = "passed", "failed", "broken", "skipped"

LONGEST_VALUE = 80
SAMPLES_IN_MESSAGE = 3


@dataclass(frozen=True)
class RuleResult:
    """One rule's verdict. `unexpected` counts refused rows, before samples are cut to ten."""

    name: str
    table: str
    reason: str
    next_step: str
    outcome: str
    """passed, failed (the data), broken (an exception), or skipped (see `error`)."""
    observed: dict[str, Any] = field(default_factory=dict)
    unexpected: int | None = None
    samples: tuple[dict[str, Any], ...] = ()
    listed: tuple[dict[str, Any], ...] = ()
    """Every figure beside its band, for rules that learn."""
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class DoorResult:
    """One door at one attempt."""

    door: str
    night: str
    rules: tuple[RuleResult, ...]
    seconds: float

    @property
    def success(self) -> bool:
        return all(rule.outcome == PASSED for rule in self.rules)

    def with_outcome(self, outcome: str) -> list[RuleResult]:
        return [rule for rule in self.rules if rule.outcome == outcome]


def printable(value: Any, longest: int = LONGEST_VALUE) -> str:
    """One line without control, direction or unassigned characters, cut to `longest`."""
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def write(result: DoorResult, directory: Path) -> None:
    """`<door>.json` and `<door>.html`. Each is replaced whole, never half written."""
    write_json(directory / f"{result.door}.json", _told(result))
    write_atomically(directory / f"{result.door}.html", _as_page(result))


def raise_if_shut(result: DoorResult) -> None:
    """DoorBroken before DoorClosed: a door that could not look has not judged."""
    failed, broken = result.with_outcome(FAILED), result.with_outcome(BROKEN)
    if broken:
        also = [f"  also refused: {rule.name} on {rule.table}" for rule in failed]
        raise DoorBroken(
            "\n".join([_head(result, broken, "could not be judged by"), *_broken(broken), *also]),
            "Mend what raised (a missing table, column or file; our SQL) and check again. "
            "The data may be good or bad: nobody has looked.",
        )
    if failed:
        raise DoorClosed(
            "\n".join([_head(result, failed, "is closed by"), *_failed(failed)]),
            failed[0].next_step if len(failed) == 1 else "Take the steps above, first to last.",
        )


def _head(result: DoorResult, rules: list[RuleResult], verb: str) -> str:
    count = f"{len(rules)} of {len(result.rules)} rules"
    return f"Door {result.door}, night {result.night}, {verb} {count}."


def _broken(rules: list[RuleResult]) -> list[str]:
    return [f"  {rule.name} on {rule.table} raised: {rule.error}" for rule in rules]


def _failed(rules: list[RuleResult]) -> list[str]:
    """A single rule's step is the error's own next step, and is not said twice."""
    if len(rules) == 1:
        return _failed_lines(rules[0])
    return [line for rule in rules for line in (*_failed_lines(rule), f"    do: {rule.next_step}")]


def _failed_lines(rule: RuleResult) -> list[str]:
    samples = [f"    {_row(sample)}" for sample in rule.samples[:SAMPLES_IN_MESSAGE]]
    figures = [] if samples or not rule.observed else [f"    {_row(rule.observed)}"]
    return [
        f"  {rule.name} on {rule.table}{_refused(rule.unexpected)}",
        *samples,
        *figures,
        f"    why: {rule.reason}",
    ]


def _refused(count: int | None) -> str:
    return "" if count is None else f": {count:,} row{'' if count == 1 else 's'} refused"


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in row.items())


def _shown(value: Any) -> str:
    return f"'{printable(value)}'" if isinstance(value, str) else printable(value)


def _told(result: DoorResult) -> dict[str, Any]:
    rules = [{**asdict(rule), "success": rule.outcome == PASSED} for rule in result.rules]
    return {**asdict(result), "success": result.success, "rules": rules}


def _as_page(result: DoorResult) -> str:
    """One HTML file that needs no other host; every value is escaped by Jinja."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.jinja").render(result=result, printable=printable)
