"""A shop is one TOML file. This module says what may stand in it, and refuses the rest by name."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from nightshelf.columns import CONTRACTS, EVENT_TYPES, PROVENANCE, SHELVES, TABLES
from nightshelf.errors import SettingsError
from nightshelf.ingest.adapters.registry import COLUMN_MAP, adapters
from nightshelf.paths import Home
from nightshelf.settings.exploration import Budget, Exploration
from nightshelf.settings.rules import Line, Rules, with_files
from nightshelf.settings.strict import DateText, Share, Strict

OUR_COLUMNS = (*PROVENANCE, "line", "is_object", "is_aside", "reason", "*")
"""Names that the reader gives to columns of its own."""


def _printable(path: str) -> str:
    if not path.isprintable():
        raise ValueError("holds a character that no path should")
    return path


PathText = Annotated[str, AfterValidator(_printable)]
Day = Annotated[DateText, Field(pattern=r"^(\d{4}-)?\d{2}-\d{2}$")]


class Source(Strict):
    """One kind of landing file and how it becomes rows of the input contract."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Stands in the ledger and in the `source` column of every event."""
    adapter: str
    """The schema of its files: one of docs/inputs, or `column_map`."""
    path: PathText
    """A glob below `landing`, such as `orders/*.csv.gz`."""
    kind: Literal["events", "items", "categories", "users"] = "events"
    """Only for `column_map`: the other adapters know what they read."""
    columns: dict[str, str] = {}
    """Only for `column_map`: contract column → the file's column. In JSON Lines and Parquet a path:
    `user.id` steps into an object, `lines[].sku` into the elements of a list, a row each."""
    constants: dict[str, str] = {}
    """Only for `column_map`: contract column → one value for every row."""
    event_types: dict[str, str] = {}
    """Only for `column_map`: the file's event name → the contract's event type."""
    values: dict[str, dict[str, str]] = {}
    """Only for `column_map`: contract column → the file's value → the contract's value."""
    leave_aside: list[str] = []
    """Only for `column_map`: event names that are known and of no use to shelves (a scroll)."""
    time_unit: Literal["text", "s", "ms", "us"] = "text"
    """How times are written: text (ISO 8601), or a number of seconds, ms or µs since 1970."""
    delimiter: Literal[",", ";", "\t", "|"] = ","
    """Of CSV: what parts its values. Other formats have none."""
    decimal: Literal[".", ","] = "."
    """Only for `column_map`: how quantities and amounts are written. `,` reads `1.234,50` and `1234,50`."""

    @field_validator("adapter")
    @classmethod
    def _known_adapter(cls, name: str) -> str:
        known = (*adapters(), COLUMN_MAP)
        if name not in known:
            raise ValueError(f"'{name}' is no adapter; known: {', '.join(known)}")
        return name

    @field_validator("path")
    @classmethod
    def _below_landing(cls, path: str) -> str:
        if not path or path.startswith("/"):
            raise ValueError("a glob below `landing`, such as orders/*.csv.gz")
        return path

    @field_validator("columns")
    @classmethod
    def _not_ours(cls, columns: dict[str, str]) -> dict[str, str]:
        ours = [c for c in columns.values() if not c or c.lower() in OUR_COLUMNS]
        if ours:
            raise ValueError(f"a file's column cannot be called '{ours[0]}' here; rename it")
        return columns

    @field_validator("path")
    @classmethod
    def _globs(cls, path: str) -> str:
        try:
            next(Path("/nonexistent").glob(path), None)
        except (ValueError, NotImplementedError) as error:
            raise ValueError(f"is no pattern below the landing folder: {error}") from None
        return path

    @model_validator(mode="after")
    def _column_map_is_complete(self) -> Source:
        if self.adapter != COLUMN_MAP:
            own = ("columns", "constants", "event_types", "values", "leave_aside")
            extra = [k for k in own if getattr(self, k)]
            extra += ["decimal"] if self.decimal != "." else []
            if extra:
                raise ValueError(f"`{extra[0]}` belongs to adapter '{COLUMN_MAP}' only")
            return self
        given = {*self.columns, *self.constants}
        for name in (*self.columns, *self.constants, *self.values):
            if name not in CONTRACTS[self.kind]:
                known = ", ".join(CONTRACTS[self.kind])
                raise ValueError(f"'{name}' is no column of {self.kind}; known: {known}")
        missing = NEEDED[self.kind] - given
        if missing:
            raise ValueError(f"columns or constants must give {', '.join(sorted(missing))}")
        if self.kind == "events" and not WHO & given:
            raise ValueError("columns must give one of user_id, anonymous_id, session_id")
        _check_lists(self.columns)
        _check_capitals(self.columns)
        _check_names(self)
        return self


NEEDED = {
    "events": {"event_type", "occurred_at", "item_id"},
    "items": {"item_id"},
    "categories": {"category_id"},
    "users": {"user_id"},
}
WHO = {"user_id", "anonymous_id", "session_id"}


def _check_lists(columns: dict[str, str]) -> None:
    lists = sorted({c.split("[].")[0] for c in columns.values() if "[]." in c})
    if len(lists) > 1:
        raise ValueError(
            f"columns step into two lists, {lists[0]}[] and {lists[1]}[]; one row has one element"
        )


def _check_capitals(columns: dict[str, str]) -> None:
    spelt: dict[str, str] = {}
    for theirs in columns.values():
        other = spelt.setdefault(theirs.casefold(), theirs)
        if other != theirs:
            raise ValueError(
                f"columns '{other}' and '{theirs}' differ in capitals only, which SQL cannot tell"
                " apart; rename one where the file is made"
            )


def _check_names(source: Source) -> None:
    """Value maps translate what a column gives, and event types lead into the closed list."""
    for name in source.values:
        if name not in source.columns:
            raise ValueError(f"values: columns does not give '{name}'")
    names = {**source.event_types, **source.values.get("event_type", {})}
    unknown = sorted(set(names.values()) - set(EVENT_TYPES))
    if unknown:
        known = ", ".join(EVENT_TYPES)
        raise ValueError(f"event_types: '{unknown[0]}' is no event type; known: {known}")
    if (source.event_types or source.leave_aside) and "event_type" not in source.columns:
        raise ValueError(
            "event_types and leave_aside translate a column: columns must give event_type"
        )


class Events(Strict):
    """What the events mean to this shop."""

    target: Literal["purchase", "cart_add", "click", "view"] = "purchase"
    """The event that shelves are made to bring about; labels and quality count these."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] = {}
    """Event type → how much a date with such an event says about a user's taste, however many there
    were: ten views in a row are one interest. Absent types say nothing. None at all: the target, 1."""

    @model_validator(mode="before")
    @classmethod
    def _target_alone_counts(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("weights"):
            return given
        target = given.get("target", "purchase")
        return given | {"weights": {target: 1.0}} if isinstance(target, str) else given

    @field_validator("weights")
    @classmethod
    def _known_types(cls, weights: dict[str, float]) -> dict[str, float]:
        for name in weights:
            if name not in EVENT_TYPES:
                raise ValueError(f"'{name}' is no event type; known: {', '.join(EVENT_TYPES)}")
        return weights

    @model_validator(mode="after")
    def _target_has_weight(self) -> Events:
        if not self.weights.get(self.target):
            raise ValueError(f"weights must give the target '{self.target}' a weight above 0")
        return self


class Cleaning(Strict):
    product_id_pattern: str = ".*"
    """Whole-id regular expression (RE2). Ids that do not match are fees and postage, not products."""
    max_quantity: Annotated[int, Field(gt=0)] = 10_000
    """A line of more pieces than this is a booking error, not a purchase."""
    max_price: Annotated[float, Field(gt=0)] = 100_000.0
    """A unit price above this is a booking error."""
    internal_ids: list[str] = []
    """Ids of users and visitors who are the shop's own: staff, monitoring, test accounts."""
    max_views_per_day: Annotated[int, Field(gt=0)] = 2_000
    """A visitor who looks more often than this on one day is a robot: one look every 40 seconds,
    day and night. Looks are views, clicks, searches, and list views that name no item."""
    max_views_per_minute: Annotated[int, Field(gt=0)] = 60
    """One look a second, for a minute, is no reader."""

    @field_validator("product_id_pattern")
    @classmethod
    def _can_be_matched(cls, pattern: str) -> str:
        import duckdb

        try:
            duckdb.execute("select regexp_full_match('', ?)", [pattern]).fetchall()
        except duckdb.Error as error:
            told = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
            raise ValueError(f"no regular expression of RE2's: {told}") from None
        return pattern


class Doors(Strict):
    max_quarantined_share: Share = 0.05
    max_anonymous_share: Share = 0.5
    max_days_behind: Annotated[int, Field(ge=0)] = 3
    """How many days the newest event may lie before `as_of`."""
    min_volume_share: Share = 0.2
    """A day's events against what is usual on its weekday, however wide the learnt band is."""
    quiet_days: list[Day] = ["12-24", "12-25", "12-26", "12-31", "01-01"]
    """Days that may be as small as they like: MM-DD each year, or one YYYY-MM-DD."""
    learn_from: Annotated[DateText, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """The first day that bands are learnt from: the day of a change that is meant (a new id, a new
    currency unit). Until there are 14 such days, the fixed limits alone hold."""

    @field_validator("quiet_days")
    @classmethod
    def _days(cls, days: list[str]) -> list[str]:
        for day in days:
            date.fromisoformat(day if len(day) == 10 else f"2024-{day}")
        return days

    @field_validator("learn_from")
    @classmethod
    def _date(cls, day: str | None) -> str | None:
        if day is not None:
            date.fromisoformat(day)
        return day


class Placements(Strict):
    k: Annotated[int, Field(ge=1, le=200)] = 20
    """Items on a user's shelf."""
    k_similar: Annotated[int, Field(ge=1, le=50)] = 20
    """At most the neighbours that item_knn keeps."""
    k_together: Annotated[int, Field(ge=1, le=100)] = 10
    k_popular: Annotated[int, Field(ge=1, le=1000)] = 50
    look_alikes: Annotated[int, Field(ge=0, le=1_000_000)] = 5_000
    """Items that too few took, and that `rec_similar_items` has what looks like them for: the last
    listed or taken. About 0.6 ms each in a catalogue of 92 thousand."""
    off: list[str] = []
    """Shelves that are not made, without `rec_`: their tables are published, and empty."""
    k_cart: Annotated[int, Field(ge=1, le=50)] = 10
    cart_pairs: Annotated[int, Field(ge=0, le=20_000)] = 2_000
    """Carts of two that `rec_cart` has lists for: the pairs most often bought together. Counting what
    a third item adds to 2,000 pairs takes about a second on a grocer's year."""
    k_next: Annotated[int, Field(ge=1, le=200)] = 20
    """Items on `rec_next_category`, shared out among `next_categories`."""
    next_categories: Annotated[int, Field(ge=1, le=20)] = 4
    k_trending: Annotated[int, Field(ge=1, le=200)] = 20
    k_new: Annotated[int, Field(ge=1, le=200)] = 20
    new_share: Share = 0.5
    """Share of the slots of `rec_new_arrivals` that go round among all arrivals, whatever they sell."""
    graduates_at: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Buyers with whom an arrival leaves the shelf: by then every other shelf knows it."""
    k_sale: Annotated[int, Field(ge=1, le=200)] = 20
    sale_share: Annotated[float, Field(ge=0.01, le=0.9)] = 0.2
    """How far below its usual price an item is on sale; shoppers overlook less than a fifth or so."""
    k_cold: Annotated[int, Field(ge=1, le=200)] = 20
    k_onboarding: Annotated[int, Field(ge=1, le=50)] = 10
    """Items to ask a newcomer about: ten tell most, and few people answer more."""
    min_audience: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """A list in `audiences` with fewer users is not published: it would point at persons. A region with
    fewer newcomers has no list on `rec_cold_start`, either."""
    presume_consent: bool = False
    """Whether `audiences` has users of whom the shop does not say that they consented, once it says so
    of anybody. A shop that tells of nobody's consent keeps it elsewhere, and has everybody on them."""

    @field_validator("off")
    @classmethod
    def _known_shelves(cls, off: list[str]) -> list[str]:
        known = [shelf.removeprefix("rec_") for shelf in SHELVES]
        for name in off:
            if name not in known:
                raise ValueError(f"'{name}' is no shelf; known: {', '.join(known)}")
        return off

    def is_on(self, placement: str) -> bool:
        return placement not in self.off

    def lengths(self) -> dict[str, int]:
        """Shelf → the slots of its lists."""
        return {s: getattr(self, self.length_key(s.removeprefix("rec_"))) for s in SHELVES}

    def length_key(self, placement: str) -> str:
        """The key that says how long its lists are; `length_of` in SQL has those of the placements under rules."""
        return {
            "similar_items": "k_similar", "bought_together": "k_together", "popular": "k_popular",
            "cart": "k_cart", "trending": "k_trending", "new_arrivals": "k_new", "on_sale": "k_sale",
            "cold_start": "k_cold", "next_category": "k_next",
        }.get(placement, "k")  # fmt: skip


class Keep(Strict):
    """What stays on the disk. The night that readers see and the one before it always do."""

    nights: Annotated[int, Field(ge=2, le=10_000)] = 60
    """Published attempts, the newest."""
    days: Annotated[int, Field(ge=1, le=36_500)] = 400
    """Published nights older than this, counted from the newest one, go."""
    attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    """Attempts, with all their intermediate tables and models, the last worked on. What MLflow keeps is
    not touched."""


class Chosen(Strict):
    tables: list[str] | None = None
    """Published tables that the sink gets; none given: all."""

    @field_validator("tables")
    @classmethod
    def _published(cls, tables: list[str] | None) -> list[str] | None:
        unknown = sorted(set(tables or ()) - set(TABLES))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not published; known: {', '.join(TABLES)}")
        return tables


class Postgres(Chosen):
    url_env: str
    """The environment variable that holds the connection's URL. Never the URL: it has a password."""
    in_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "nightshelf"
    """The schema in the database; made where it is not there. One for each shop."""
    wait_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How long a delivery waits for readers' open transactions, and for another delivery."""

    @field_validator("url_env")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if (
            not name.isascii() or not name.isidentifier()
        ):  # said without the value: it may be a secret
            raise ValueError("name an environment variable here, and set the URL there")
        return name


class DuckDBFile(Chosen):
    path: Annotated[str, Field(min_length=1), AfterValidator(_printable)]
    """The file, relative to the shop file; replaced whole."""


class Sinks(Strict):
    """Where the night that readers see is delivered, beside its files."""

    postgres: Postgres | None = None
    duckdb: DuckDBFile | None = None


NO_PLACE = {"localtime", "Factory", "posixrules"}
"""Zone files that say nothing of where the shop is."""


class Shop(Strict):
    """Everything one shop says about itself."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    """Names the shop's directory and its MLflow experiment."""
    title: str = ""
    time_zone: str
    """IANA name, such as Europe/London. A night begins at midnight there; naive times are its."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    landing: PathText | None = None
    """Folder of the landing files, relative to this file; by default the shop's folder in the home."""
    sources: Annotated[list[Source], Field(min_length=1)]
    events: Events = Events()
    cleaning: Cleaning = Cleaning()
    doors: Doors = Doors()
    placements: Placements = Placements()
    keep: Keep = Keep()
    sink: Sinks = Sinks()
    rules: Rules = Rules()
    exploration: Exploration = Exploration()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones() or name in NO_PLACE:
            raise ValueError(f"'{name}' is no time zone; use an IANA name such as Europe/London")
        return name

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: list[Source]) -> list[Source]:
        names = [s.name for s in sources]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise ValueError(f"two sources are called '{sorted(twice)[0]}'")
        return sources

    @model_validator(mode="after")
    def _what_explores_is_made(self) -> Shop:
        for placement in self.exploration.budgets:
            if not self.placements.is_on(placement):
                raise ValueError(
                    f"exploration.budget.{placement}: the shelf is switched off by placements.off"
                )
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def landing_in(self, home: Home, shop_file: Path) -> Path:
        if self.landing is None:
            return home.shop(self.name).root / "landing"
        return (shop_file.parent / self.landing).resolve()


def load_shop(path: Path) -> Shop:
    """Reads and checks a shop's TOML, and the files of rules that it names.

    Raises SettingsError naming the key, or the file and line, what is wrong, and what is known.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"No shop file at {path}.",
            "Pass --shop with a TOML file; docs/your-shop.md shows one.",
        ) from None
    except IsADirectoryError:
        raise SettingsError(f"{path} is a folder.", "Pass the TOML file in it to --shop.") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}).", "Pass --shop with a TOML file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}.", "Mend the line it names."
        ) from None
    try:
        shop = Shop.model_validate(document)
    except ValidationError as error:
        raise SettingsError(
            f"{path} cannot be used:\n" + "\n".join(_told(e) for e in error.errors()),
            "Mend these keys; docs/data-contract.md lists every key of a shop file.",
        ) from None
    return shop.model_copy(update={"rules": with_files(shop.rules, path.parent)})


def _told(error: dict) -> str:
    """One line for one pydantic error: the key's path in the TOML, what is wrong, what is allowed."""
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".")
    if error["type"] == "extra_forbidden":
        return f"  {where}: unknown key; known here: {', '.join(_known_keys(error['loc']))}"
    if error["type"] == "missing":
        return f"  {where}: missing"
    message = error["msg"].removeprefix("Value error, ")
    given = "" if error["type"] == "value_error" else f" (given: {error['input']!r:.80})"
    return f"  {where or 'shop'}: {message}{given}"


def _known_keys(location: tuple) -> list[str]:
    model: type[BaseModel] = Shop
    children = {"sources": Source, "events": Events, "cleaning": Cleaning, "doors": Doors,
                "placements": Placements, "keep": Keep, "sink": Sinks,
                "postgres": Postgres, "duckdb": DuckDBFile, "rules": Rules, "lines": Line,
                "exploration": Exploration, "budget": Budget}  # fmt: skip
    for part in location[:-1]:
        model = children.get(part, model)
    return list(model.model_fields)
