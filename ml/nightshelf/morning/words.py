"""Numbers and strangers' text, as the page writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nightshelf.progress import counted
from nightshelf.terminal import LEADS, WORDS

LONGEST = 1_000
"""Longer than any sentence of ours; a stranger's text that is cut ends in an ellipsis."""
LONGEST_NAME = 160
"""Of an id or a title in the lists that a page carries: thousands of them are not to be novels."""


def clean(value: Any, longest: int = LONGEST) -> Any:
    """Text without control, direction or unassigned characters, and not endless; the rest unchanged.
    Jinja runs it over everything that it prints, before escaping."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    return "".join(c if c.isprintable() else "·" for c in cut)


def reason(code: str, evidence: Sequence[str | None], item: str, titles: Mapping[str, str]) -> str:
    """A row's reason in words, with the titles of two of the items behind it."""
    others = [name(titles.get(e, e)) for e in evidence or () if e and e != item]
    more = f" and {len(others) - 2} more" if len(others) > 2 else ""
    return clean(
        f"{WORDS.get(code) or code.replace('_', ' ')}{LEADS.get(code, '') if others else ''}"
        f" {', '.join(others[:2])}{more}"
    ).strip()


def name(text: str | None) -> str:
    return clean(text or "", LONGEST_NAME)


def whole(number: float | None) -> str:
    return "–" if _nothing(number) else f"{number:,.0f}"


def share(part: float | None, digits: int = 1) -> str:
    return "–" if _nothing(part) else f"{part * 100:.{digits}f} %"


def figure(number: float | None, digits: int = 4) -> str:
    return "–" if _nothing(number) else f"{number:,.{digits}f}"


def amount(number: float | None) -> str:
    """A figure of any size: three places where they say something."""
    return whole(number) if not _nothing(number) and abs(number) >= 100 else figure(number, 3)


def signed(number: float | None, digits: int = 4) -> str:
    return "–" if _nothing(number) else f"{number:+,.{digits}f}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """ "0.8 s", "42 s", "5 min 17 s", "1 h 02 min"."""
    if _nothing(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(megabytes: float | None) -> str:
    if _nothing(megabytes):
        return "–"
    return f"{megabytes:,.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def step(name: str) -> str:
    return name.replace("_", " ")


def safe_json(value: Any) -> Markup:
    """JSON for a <script> block: nothing in it can end the block or begin another."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _nothing(number: float | None) -> bool:
    return number is None or not math.isfinite(number)


FILTERS = {
    f.__name__: f
    for f in (whole, share, figure, amount, signed, counted, duration, memory, step, safe_json)
}
