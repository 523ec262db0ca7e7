"""The steps of a night. Each is one function, one CLI command and one Airflow task; each reads what
the step before it left in the attempt's directory, and leaves a record in `stages/`.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshelf.columns import SHELVES
from nightshelf.errors import InputError, NightshelfError, SettingsError
from nightshelf.machine import in_words
from nightshelf.night import Night
from nightshelf.paths import Attempt, Home, ShopHome
from nightshelf.progress import Progress, console, counted, progress
from nightshelf.publishing.nights import PublishedNight, current, damage
from nightshelf.settings.shop import Shop, load_shop
from nightshelf.storage import read_left, write_json
from nightshelf.warehouse import alone

if TYPE_CHECKING:
    from expectations import DoorContext


SHOP = "shop.json"
"""In an attempt: the shop file as it was when the attempt began."""
DAG_RUN = "dag_run.json"
"""In an attempt that Airflow began: the run's id."""


@dataclass(frozen=True)
class Run:
    """What every step is given."""

    home: Home
    shop: Shop
    shop_file: Path
    night: Night
    attempt: Attempt

    @property
    def landing(self) -> Path:
        return self.shop.landing_in(self.home, self.shop_file)


def open_night(home: Home, shop_file: Path, night: date, retrains: bool = True) -> Run:
    """Begins a new attempt: the first free number, taken by making its directory. The settings that its
    models will go by are chosen here, and whether rankers are trained at all."""
    from nightshelf.pinned.settings import pin
    from nightshelf.publishing.sinks import refuse_without_url

    shop = load_shop(shop_file)
    refuse_without_url(shop.sink)
    refuse_pins(shop, shop_file, night)
    attempts = home.shop(shop.name).attempts / night.isoformat()
    attempts.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in attempts.iterdir() if p.name.isdigit()), default=0)
    while True:
        number += 1
        try:
            (attempts / str(number)).mkdir()
            break
        except FileExistsError:
            continue
    run = _run(home, shop, shop_file, night, number)
    write_json(run.attempt.root / SHOP, shop.model_dump(mode="json"))
    if dag_run := os.environ.get("AIRFLOW_CTX_DAG_RUN_ID"):
        write_json(run.attempt.root / DAG_RUN, {"run_id": dag_run})
    going_by = pin(home, shop.name, run.attempt, retrains)
    if going_by.warning:
        console.print(f"Warning: {going_by.warning}", markup=False)
    return run


def next_night(home: Home, shop_file: Path) -> date:
    """The night after the newest landed events: what a shop means that names none.

    Takes new landing files in first, since they may be what the night is about.
    """
    from nightshelf.ingest.run import ingest as take
    from nightshelf.pinned.inputs import newest_night
    from nightshelf.warehouse import writer

    shop = load_shop(shop_file)
    where = home.shop(shop.name)
    with progress("open") as shown, writer(where, "open"):
        take(shop, shop.landing_in(home, shop_file), where, shown)
    newest = newest_night(where, shop.zone)
    if newest is None:
        refuse_none_before_now(where)
        refuse_all_quarantined(where, shop_file)
        raise InputError(
            f"Shop '{shop.name}' has no events, so there is no newest night.",
            "Put exports into its landing folder, or name a night.",
        )
    return newest


def refuse_none_before_now(where: ShopHome) -> None:
    """Raises InputError where events were accepted, and every one lies in this machine's future."""
    from nightshelf.ingest.ledger import Ledger

    days = sorted(Ledger(where.ledger).days())
    if days:
        raise InputError(
            f"All events lie after this machine's clock, which says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC:"
            f" they are of {days[0]} to {days[-1]}. So there is no newest night.",
            "Set the clock, mend the times of the export, or name a night with --as-of.",
        )


def refuse_all_quarantined(where: ShopHome, shop_file: Path) -> None:
    """Raises InputError where there were rows of events, and every one of them was refused."""
    from nightshelf.ingest.ledger import Ledger

    refused = sum(f.quarantined for f in Ledger(where.ledger).files() if f.kind == "events")
    if refused:
        raise InputError(
            f"All {refused:,} rows of events are in quarantine, so there is no newest night.",
            f"`nightshelf quarantine --shop {shop_file}` says why, and where each is mended.",
        )


def refuse_pins(shop: Shop, shop_file: Path, night: date) -> None:
    """Raises SettingsError for a pin that could not stand: on a shelf that explores, or behind its end."""
    from nightshelf.transform import exploring, rules

    exploring.refuse_pins(shop, shop_file, night)
    rules.refuse_idle_pins(shop, shop_file, night)


def resume(home: Home, shop_file: Path, night: date, number: int | None) -> Run:
    """The attempt of that number, or the newest of the night."""
    shop = load_shop(shop_file)
    refuse_pins(shop, shop_file, night)
    attempts = home.shop(shop.name).attempts / night.isoformat()
    numbers = sorted(int(p.name) for p in attempts.glob("*") if p.name.isdigit())
    if not numbers or (number is not None and number not in numbers):
        wanted = "attempt" if number is None else f"attempt {number}"
        raise SettingsError(
            f"There is no {wanted} at night {night} of shop '{shop.name}'.",
            "Begin one with `nightshelf open`, or run the whole `nightshelf night`.",
        )
    return _run(home, shop, shop_file, night, number or numbers[-1])


def _run(home: Home, shop: Shop, shop_file: Path, night: date, number: int) -> Run:
    attempt = home.shop(shop.name).attempt(night, number)
    return Run(home, shop, shop_file, Night(night, shop.zone), attempt)


@contextmanager
def _stage(run: Run, name: str) -> Iterator[tuple[Progress, dict[str, Any]]]:
    """Times a step, shows it, and records it: {stage, seconds, cpu_seconds, rows, told, peak_mb}; or how
    it failed, {stage, what, next_step, exit_code}."""
    with alone(run.attempt, name):
        _in_order(run, name)
        with _recorded(run, name) as found:
            yield found


@contextmanager
def _recorded(run: Run, name: str) -> Iterator[tuple[Progress, dict[str, Any]]]:
    started, cpu = time.perf_counter(), time.process_time()
    record: dict[str, Any] = {"stage": name, "rows": None, "told": ""}
    with progress(name) as shown, _failure_kept(run, name):
        for line in _other_settings(run):
            shown.say(line)
        yield shown, record
    record["seconds"] = round(time.perf_counter() - started, 2)
    record["cpu_seconds"] = round(time.process_time() - cpu, 2)
    record["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    write_json(run.attempt.stages / f"{name}.json", record)
    rows = "" if record["rows"] is None else f"{record['rows']:>12,} rows"
    console.print(
        f"✓ {name:<13} {record['seconds']:>6.1f} s {rows:>17}  {record['told']}", markup=False
    )


@contextmanager
def _failure_kept(run: Run, name: str) -> Iterator[None]:
    """For whoever looks at the night without its log. A step that was killed leaves no word."""
    try:
        yield
    except Exception as error:
        known = in_words(error) or NightshelfError(repr(error), "Read the log of the step.")
        told = {"what": known.what, "next_step": known.next_step, "exit_code": known.exit_code}
        with suppress(OSError):  # it may be the disk that failed
            write_json(_failed(run.attempt, name), {"stage": name, **told})
        raise


def _failed(attempt: Attempt, name: str) -> Path:
    return attempt.stages / f"{name}.failed.json"


def _other_settings(run: Run) -> Iterator[str]:
    """A warning where the shop file is not what it was when the attempt began: its steps then go by
    different settings, and the manifest tells the last ones."""
    path = run.attempt.root / SHOP
    if not path.exists():
        return
    before, now = read_left(path, "open"), run.shop.model_dump(mode="json")
    changed = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if changed:
        yield (
            f"Warning: {run.shop_file} has other {', '.join(changed)} than when attempt"
            f" {run.attempt.number} began. What steps have made goes by the old ones; `nightshelf open`"
            " begins an attempt that goes by the new ones alone."
        )


def _in_order(run: Run, name: str) -> None:
    """A step needs all the steps before it, and undoes the record of itself and of those after."""
    names = list(STEPS)
    place = names.index(name)
    record = {n: run.attempt.stages / f"{n}.json" for n in names}
    lacking = next((n for n in names[:place] if not record[n].exists()), None)
    if lacking:
        raise SettingsError(
            f"Step '{name}' of night {run.night.date}, attempt {run.attempt.number} needs"
            f" '{lacking}' first.",
            f"Run `nightshelf {command_of(lacking)}`, or the whole `nightshelf night`.",
        )
    for later in names[place:]:
        record[later].unlink(missing_ok=True)
        _failed(run.attempt, later).unlink(missing_ok=True)


def ingest(run: Run) -> None:
    from nightshelf.ingest.run import ingest as take
    from nightshelf.pinned.inputs import pin
    from nightshelf.warehouse import writer

    with _stage(run, "ingest") as (shown, record):
        with writer(run.attempt.shop, f"night {run.night.date}, ingest"):
            taken = take(run.shop, run.landing, run.attempt.shop, shown)
            pin(run.attempt, run.night)
        record["rows"] = taken.rows_read
        record["told"] = (
            f"{taken.files:,} new files, {taken.unchanged:,} known,"
            f" {taken.accepted:,} rows accepted, {taken.quarantined:,} quarantined"
            + (f" ({taken.set_aside:,} set aside, no fault)" if taken.set_aside else "")
            + (f", {len(taken.left):,} files left for the next run" if taken.left else "")
        )


def gate(run: Run, door: str) -> None:
    from expectations import DOORS
    from nightshelf.doors.run import check

    if door not in DOORS:
        raise SettingsError(f"There is no door '{door}'.", f"Name one of {', '.join(DOORS)}.")
    with _stage(run, f"door_{door}") as (shown, record):
        before = _whole(current(run.attempt.shop), shown)
        result = check(door, run.attempt, _door_context(run, door, before), shown.advance)
        record["told"] = f"{len(result.rules)} expectations hold"


def _door_context(run: Run, door: str, before: PublishedNight | None) -> DoorContext:
    """The night, the shop's own limits, and what the last published nights were."""
    from expectations import DoorContext
    from nightshelf.doors.before import catalogues, gone_files, new_files

    doors = run.shop.doors
    learn_from = date.fromisoformat(doors.learn_from) if doors.learn_from else None
    at_the_end = door == "shelves"
    return DoorContext(
        night=run.night.date,
        as_of_utc=run.night.instant,
        zone=run.night.zone,
        previous=before.path if before else None,
        shelves=due_shelves(run.attempt, before) if at_the_end else SHELVES,
        lengths=run.shop.placements.lengths(),
        is_personal=is_personal(run.attempt) if at_the_end else True,
        target_event=run.shop.events.target,
        rules=run.shop.rules.model_copy(update={"lines": run.shop.rules.lines_on(run.night.date)}),
        exploration=run.shop.exploration,
        new_files=new_files(run.attempt, before) if before else None,
        gone_files=gone_files(run.attempt, run.landing),
        catalogue_before=catalogues(run.attempt.shop, run.night.date, learn_from),
        quiet_days=tuple(doors.quiet_days),
        learn_from=learn_from,
        max_lag_days=doors.max_days_behind,
        max_quarantined_share=doors.max_quarantined_share,
        max_anonymous_share=doors.max_anonymous_share,
        min_volume_share=doors.min_volume_share,
        max_quantity=max(DoorContext.max_quantity, run.shop.cleaning.max_quantity),
        max_price=run.shop.cleaning.max_price,
    )


def _whole(before: PublishedNight | None, shown: Progress) -> PublishedNight | None:
    """Last night's shelves, if they are what was published: damaged ones are no measure."""
    wrong = damage(before) if before else []
    if wrong:
        shown.say(f"Warning: tonight is not compared with {before.path}: {'; '.join(wrong)}")
    return None if wrong else before


def due_shelves(attempt: Attempt, before: PublishedNight | None = None) -> tuple[str, ...]:
    """The shelves that must hold something: all but those that are empty and that readiness says may be,
    or of which nothing was learnt. One that the night before filled has lost what it was learnt from."""
    from nightshelf.readiness import learnt_nothing, read_readiness
    from nightshelf.warehouse import connect

    excused = {p.placement for p in read_readiness(attempt).placements if p.may_be_empty}
    excused.update(s for s in learnt_nothing(attempt) if not _filled(before, s))
    with connect(attempt.database) as db:
        rows = dict(db.execute("select shelf, n_rows from reports.rpt_shelves").fetchall())
    return tuple(s for s in SHELVES if rows[s] or s not in excused)


def _filled(before: PublishedNight | None, shelf: str) -> bool:
    tables = before.manifest["tables"] if before else {}
    return tables.get(f"{shelf}.parquet", {}).get("rows", 0) > 0


def is_personal(attempt: Attempt) -> bool:
    """Do users' own events rank rec_for_you? Popular items are the same for all."""
    return (
        read_left(attempt.root / "decision.json", "evaluate")["for_you"]["serving"] != "popularity"
    )


def features(run: Run) -> None:
    from nightshelf.readiness import read_readiness, refuse_without_target
    from nightshelf.transform.rules import lines_about_nothing, refuse_without_column
    from nightshelf.transform.visit import build
    from nightshelf.warehouse import connect, writer

    with _stage(run, "features") as (shown, record):
        with writer(run.attempt.shop, f"night {run.night.date}, features"):
            nodes = build("prepare", run.shop, run.night, run.attempt, shown)
        with connect(run.attempt.database) as db:
            record["rows"], users = db.execute(
                "select (select count(*) from marts.fct_interactions), count(*) from marts.dim_users"
            ).fetchall()[0]
        refuse_without_target(run.shop, run.night, run.attempt)
        refuse_without_column(run.shop, run.shop_file, run.night.date, run.attempt)
        for origin, rule, subject, value in lines_about_nothing(run.attempt):
            shown.say(
                f"Warning: {origin}: {rule} is about {subject} '{value}', and no item is of it."
            )
        for placement in read_readiness(run.attempt).placements:
            if not placement.is_ready:
                shown.say(placement.told[0].upper() + placement.told[1:])
        record["told"] = f"{nodes} models and tests, {users:,} users"


def train(run: Run) -> None:
    from nightshelf import audience
    from nightshelf.learning.train import train_night

    with _stage(run, "train") as (shown, record):
        learnt = train_night(run.shop, run.night, run.attempt, shown)
        audience.learn(run.night, run.attempt, shown)
        record["rows"] = learnt.candidates
        record["told"] = learnt.told


def evaluate(run: Run) -> None:
    from nightshelf.judging.evaluate import judge_night

    with _stage(run, "evaluate") as (shown, record):
        record["told"] = judge_night(run.home, run.shop, run.night, run.attempt, shown)


def score(run: Run) -> None:
    from nightshelf import audience
    from nightshelf.learning import scoring

    with _stage(run, "score") as (shown, record):
        record["rows"] = scoring.score_night(run.shop, run.night, run.attempt, shown)
        record["rows"] += audience.score(run.night, run.attempt, shown)
        record["told"] = "users and items, scored by the champions"


def shelve(run: Run) -> None:
    from nightshelf.learning.scoring import offer_to_dbt
    from nightshelf.readiness import learnt_nothing
    from nightshelf.transform.exploring import unspent
    from nightshelf.transform.visit import build
    from nightshelf.warehouse import connect, writer

    with _stage(run, "shelve") as (shown, record):
        offer_to_dbt(run.attempt)
        # dbt attaches the history for writing on every visit, so nights take turns here, too.
        with writer(run.attempt.shop, f"night {run.night.date}, shelve"):
            nodes = build("shelve", run.shop, run.night, run.attempt, shown)
        with connect(run.attempt.database) as db:
            record["rows"] = db.execute("select sum(n_rows) from reports.rpt_shelves").fetchall()[
                0
            ][0]
        record["rows"] = int(record["rows"])
        for shelf in learnt_nothing(run.attempt):
            shown.say(
                f"Warning: {shelf} has what it needs, and nothing was learnt for it that is more than"
                " chance: what sells stands there instead, or nothing."
            )
        for shelf, share, budget in unspent(run.attempt):
            shown.say(
                f"Warning: {shelf} explores {share:.1%} of its slots, and exploration.budget gives it"
                f" {budget:.0%}: the rules leave its lists little else to show."
            )
        record["told"] = f"{nodes} models and tests"


def publish(run: Run) -> None:
    from nightshelf import audience
    from nightshelf.doors.before import catalogue_of
    from nightshelf.pinned.settings import pinned
    from nightshelf.publishing import sinks
    from nightshelf.publishing.publish import inputs_of
    from nightshelf.publishing.publish import publish as put_out
    from nightshelf.transform.visit import manifest_hash

    with _stage(run, "publish") as (shown, record):
        more = {
            "shop": run.shop.name,
            "inputs": inputs_of(run.attempt),
            "catalogue": catalogue_of(run.attempt),
            "models": read_left(run.attempt.root / "decision.json", "evaluate"),
            "audience": audience.summary(run.attempt),
            "fingerprints": read_left(run.attempt.root / "fingerprints.json", "evaluate"),
            "dbt_manifest_sha256": manifest_hash(run.attempt),
            **run.shop.exploration.told(),
            **pinned(run.attempt).told(),
        }
        done = put_out(run.attempt, more, run.shop.keep)
        record["rows"] = done.rows
        told = sinks.deliver(run.attempt.shop, run.shop.sink, run.shop_file, "nightshelf publish")
        record["told"] = "; ".join([_told(run, done), *told])


def morning(run: Run) -> None:
    """The morning page. The shelves are out by then: a page that fails is a warning and stops nothing."""
    from nightshelf.morning import keep_in_mlflow, write_page

    if not (run.attempt.stages / "publish.json").exists():
        write_page(run.shop, run.attempt)  # a night that stopped has a page, too, and no step of it
        return
    with _stage(run, "morning") as (shown, record):
        _refuse_damaged(run.attempt)
        try:
            page = write_page(run.shop, run.attempt)
            keep_in_mlflow(run.home, run.shop.name, run.attempt, page)
            record["told"] = f"{page.name}, {page.stat().st_size // 1024:,} kB, beside the tables"
        except Exception as error:
            record["told"] = f"no page: {error!r}"
            shown.say(
                f"Warning: the morning page could not be made: {error!r}. The shelves are published;"
                " `nightshelf morning` makes the page once that is mended."
            )


def _refuse_damaged(attempt: Attempt) -> None:
    """A page that fails is a warning; a published night whose manifest cannot be read is none."""
    _ = PublishedNight(attempt.night, attempt.number, attempt.published).manifest


def _told(run: Run, done: Any) -> str:
    told = _where(run, done)
    n = len(done.removed)
    return f"{told}; {counted(n, 'old folder')} removed" if n else told


def _where(run: Run, done: Any) -> str:
    if done.already:
        return f"attempt {run.attempt.number} had been published; nothing was changed"
    if not done.is_current:
        return f"attempt {run.attempt.number}; readers go on seeing another night"
    return f"attempt {run.attempt.number}; readers see it now"


STEPS: dict[str, Callable[[Run], None]] = {
    "ingest": ingest,
    "door_raw": lambda run: gate(run, "raw"),
    "features": features,
    "door_features": lambda run: gate(run, "features"),
    "train": train,
    "evaluate": evaluate,
    "score": score,
    "shelve": shelve,
    "door_shelves": lambda run: gate(run, "shelves"),
    "publish": publish,
    "morning": morning,
}
"""Every step of a night, in order."""


def command_of(step: str) -> str:
    """The step's name on the command line."""
    return step.replace("door_", "gate ")


def whole_night(home: Home, shop_file: Path, night: date, retrains: bool = True) -> Run:
    """All steps in one process: the same functions that the DAG's tasks call, and the same bytes."""
    run = open_night(home, shop_file, night, retrains)
    console.print(
        f"Night {night} of shop '{run.shop.name}', attempt {run.attempt.number}", markup=False
    )
    for step in STEPS.values():
        step(run)
    return run


def stage_records(attempt: Attempt) -> list[dict]:
    """The finished stages' records, in the order of the night."""
    paths = (attempt.stages / f"{name}.json" for name in STEPS)
    return [_read_record(p) for p in paths if p.exists()]


def failure(attempt: Attempt) -> dict | None:
    """How the attempt's last step failed; None where none did, or where it was killed."""
    paths = (_failed(attempt, name) for name in STEPS)
    return next((_read_record(p) for p in paths if p.exists()), None)


def _read_record(path: Path) -> dict:
    return read_left(path, command_of(path.name.split(".")[0]))
