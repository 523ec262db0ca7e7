"""The shop's rules: `[rules]` of the shop file, and lines in CSV files that it names.

docs/rules.md says what each rule does, needs and costs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from itertools import chain, combinations
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import Field, ValidationError, field_validator, model_validator

from nightshelf.errors import SettingsError
from nightshelf.settings.strict import Date, Share, Strict

Ruled = Literal[
    "for_you", "discover", "buy_again", "similar_items", "bought_together", "popular",
    "cart", "trending", "new_arrivals", "on_sale", "cold_start",
]  # fmt: skip
"""Placements whose lists rules may change. `next_category` is laid out by category: it has nothing of what
is withheld and one variant of a product, and no other rule bears on it."""

OF_A_FACTOR = Annotated[float, Field(gt=0, le=100)]
"""A hundredfold score leads every list; more can only be a slip."""


class Line(Strict):
    """One item, brand or category that is blocked, boosted or pinned, and when.

    A campaign is the lines that share its name: rpt_rule_cost counts them together.
    """

    rule: Literal["block", "boost", "pin"]
    subject: Literal["item", "brand", "category"] = "item"
    value: Annotated[str, Field(min_length=1)]
    """The item's id, the brand, or the category: `Food`, or `Food > Tea`, as the catalogue writes it."""
    placement: Ruled | None = None
    """Where a boost holds, everywhere if it is absent. A pin needs it; a block holds on every shelf."""
    factor: OF_A_FACTOR | None = None
    """Of a boost: what the score is multiplied by; below 1 it pushes back."""
    rank: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Of a pin: the place in every list of the placement; never in a list by category."""
    since: Date | None = None
    """The first night on which it holds."""
    until: Date | None = None
    """The last night on which it holds."""
    campaign: str = ""
    origin: str = ""
    """Where the line stands. Filled by us."""

    @model_validator(mode="after")
    def _is_whole(self) -> Line:
        wanted = {"block": (), "boost": ("factor",), "pin": ("placement", "rank")}[self.rule]
        for key in wanted:
            if getattr(self, key) is None:
                raise ValueError(f"a {self.rule} needs `{key}`")
        taken = {"block": ("placement", "factor", "rank"), "boost": ("rank",), "pin": ("factor",)}
        for key in taken[self.rule]:
            if getattr(self, key) is not None:
                raise ValueError(f"a {self.rule} takes no `{key}`")
        if self.rule == "pin" and (self.subject != "item" or self.placement == "buy_again"):
            raise ValueError("a pin is an item's, and of any placement but buy_again")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} lies after until {self.until}")
        return self

    def holds_on(self, night: date) -> bool:
        return (self.since or night) <= night <= (self.until or night)

    def meets(self, other: Line) -> bool:
        """Is there a night on which both hold?"""
        return (self.since or date.min) <= (other.until or date.max) and (
            other.since or date.min
        ) <= (self.until or date.max)


class Rules(Strict):
    """What may stand on a shelf, where, and how much of one kind. All off but `fold_variants`: out
    of stock, not on sale and no product are no rules of the shop's, but of every shelf."""

    fold_variants: bool = True
    """Of items with one `parent_id` a list shows the best alone."""
    withhold_bought: bool = False
    """`rec_for_you` waits with what was bought until its category's usual time has passed."""
    min_margin: Annotated[float, Field(ge=-1, lt=1)] | None = None
    """(price − cost) / price. What has less, or an unknown cost, stands on no shelf."""
    margin_weight: Share = 0.0
    """Scores are multiplied by 1 + this × the margin, which counts within 0 and 1."""
    max_per_brand: Annotated[int, Field(ge=1)] | None = None
    max_per_category: Annotated[int, Field(ge=1)] | None = None
    max_per_price_band: Annotated[int, Field(ge=1)] | None = None
    price_bands: Annotated[int, Field(ge=2, le=20)] = 5
    """Equally many offered items lie in each; learnt from tonight's prices."""
    calibration: Share | None = None
    """A user's list is made of categories as their history is: at 1 as their own, below it mixed with
    the shop's."""
    placements: list[Ruled] = ["for_you", "discover"]
    """The shelves that the three caps hold on, and calibration, where the list is a user's."""
    lines: list[Line] = []
    """Blocks, boosts and pins: `[[rules.lines]]`."""
    files: list[str] = []
    """CSV files of such lines, beside the shop file; the header has their keys."""

    @field_validator("files")
    @classmethod
    def _name_each_once(cls, files: list[str]) -> list[str]:
        for name in (name for name in files if files.count(name) > 1):
            raise ValueError(f"'{name}' is named twice, and its boosts would count twice")
        return files

    @field_validator("lines")
    @classmethod
    def _say_where_they_stand(cls, lines: list[Line]) -> list[Line]:
        told = [
            line if line.origin else line.model_copy(update={"origin": f"rules.lines[{n}]"})
            for n, line in enumerate(lines)
        ]
        _refuse_two_in_a_place(told)
        return told

    @property
    def caps(self) -> dict[str, int]:
        """Column of dim_items → how many of one value a list may hold, in the order of the caps."""
        given = {c: getattr(self, f"max_per_{c}") for c in ("brand", "category", "price_band")}
        return {column: n for column, n in given.items() if n is not None}

    def lines_on(self, night: date) -> list[Line]:
        return [line for line in self.lines if line.holds_on(night)]

    def for_sql(self, night: date) -> dict[str, Any]:
        """dbt's variable `rules`: what SQL has to know before it sees a row."""
        tonight = self.lines_on(night)
        return {
            **self.model_dump(exclude={"lines", "files", "placements"}),
            "caps": self.caps,
            "placements": list(self.placements),
            "boosted": _placements(line for line in tonight if line.rule == "boost"),
            "pinned": _placements(line for line in tonight if line.rule == "pin"),
            "blocks": any(line.rule == "block" for line in tonight),
        }


def _placements(lines: Iterator[Line]) -> list[str]:
    found = {line.placement for line in lines}
    every = Ruled.__args__
    return sorted(every if None in found else found)


def _refuse_two_in_a_place(lines: list[Line]) -> None:
    for one, other in _pins_of_one_place(lines):
        if one.meets(other):
            what = f"rank {one.rank}" if one.rank == other.rank else f"'{one.value}'"
            raise ValueError(
                f"{one.origin} and {other.origin} pin {what} of {one.placement} on the same nights"
            )


def _pins_of_one_place(lines: list[Line]) -> Iterator[tuple[Line, Line]]:
    """Pairs of pins to one rank, or of one item. Grouped first: 5,000 pins have twelve million pairs."""
    groups: dict[tuple, list[Line]] = {}
    for line in (line for line in lines if line.rule == "pin"):
        groups.setdefault((line.placement, "rank", line.rank), []).append(line)
        groups.setdefault((line.placement, "item", line.value), []).append(line)
    return chain.from_iterable(combinations(group, 2) for group in groups.values())


def with_files(rules: Rules, folder: Path) -> Rules:
    """The rules with the lines of the files they name. Raises SettingsError naming file and line."""
    found = [line for name in rules.files for line in _read(folder / name, name)]
    if not found:
        return rules
    given = {k: getattr(rules, k) for k in Rules.model_fields}
    try:
        return Rules.model_validate(given | {"lines": [*rules.lines, *found]})
    except ValidationError as error:
        raise _unusable(folder, error.errors()[0]["msg"]) from None


def _read(path: Path, name: str) -> list[Line]:
    known = [key for key in Line.model_fields if key != "origin"]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True, delimiter=_delimiter(file))
            header = list(rows.fieldnames or ["no header"])
            strange = sorted({*header} - {*known})
            if strange:
                raise _unusable(path, f"'{strange[0]}' is no column; known: {', '.join(known)}")
            for column in (c for c in known if header.count(c) > 1):
                raise _unusable(path, f"the header has '{column}' twice")
            return [_line(row, path, f"{name}, line {rows.line_num}") for row in rows]
    except (OSError, ValueError, csv.Error) as error:  # a path with a NUL is a ValueError
        raise _unusable(path, str(error)) from None


def _delimiter(file: TextIO) -> str:
    """A spreadsheet writes semicolons where numbers have decimal commas."""
    header = file.readline()
    file.seek(0)
    return ";" if ";" in header and "," not in header else ","


def _line(row: dict[str | None, Any], path: Path, origin: str) -> Line:
    if None in row:
        raise _unusable(path, f"{origin}: more values than the header has columns")
    given = {k: v.strip() for k, v in row.items() if v and v.strip()}
    try:
        return Line.model_validate_strings(given | {"origin": origin})
    except ValidationError as error:
        (first, *_) = error.errors()
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise _unusable(path, f"{origin}: {key + ': ' if key else ''}{message}") from None


def _unusable(path: Path, told: str) -> SettingsError:
    return SettingsError(
        f"The rules in {path} cannot be used: {told.removeprefix('Value error, ')}.",
        "Mend the line; docs/rules.md lists the columns.",
    )
