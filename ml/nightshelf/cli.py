"""`nightshelf`: a command a step, and `nightshelf night` for all of them.

Everything heavy is imported inside the command that needs it, so that `--help` is quick.
"""

from __future__ import annotations

import re
import sys
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from nightshelf.errors import SettingsError
from nightshelf.machine import in_words

app = typer.Typer(
    help="Restocks a shop's recommendation shelves overnight.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ShopFile = Annotated[
    Path, typer.Option("--shop", envvar="NIGHTSHELF_SHOP", help="The shop's TOML file.")
]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of",
        envvar="NIGHTSHELF_AS_OF",
        metavar="YYYY-MM-DD",
        help="The night's date; where it may be left out, the newest night.",
    ),
]
HomeDir = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Where everything is kept. Default: $NIGHTSHELF_HOME, .nightshelf/"
    ),
]
AttemptNumber = Annotated[
    int | None,
    typer.Option(
        "--attempt", envvar="NIGHTSHELF_ATTEMPT", help="The attempt at the night. Default: newest."
    ),
]


def _home(path: Path | None):
    from nightshelf.paths import Home, default_home

    root = path.absolute() if path else default_home()
    if set("?#") & set(str(root)):
        raise SettingsError(
            f"The home {root} has a '?' or '#' in its path, which dbt and DuckDB read as a URL's.",
            "Choose another --home or NIGHTSHELF_HOME.",
        )
    if re.search(r"%[0-9A-Fa-f]{2}", str(root)):
        raise SettingsError(
            f"The home {root} has a '%' and two digits in its path, which MLflow reads as a URL's.",
            "Choose another --home or NIGHTSHELF_HOME.",
        )
    return Home(root)


def _date(text: str, option: str = "--as-of") -> date:
    try:
        found = date.fromisoformat(text)
        if found.isoformat() != text:
            raise ValueError(text)
        return found
    except ValueError:
        raise SettingsError(
            f"{option} '{text}' is no date.", "Write it as year-month-day, such as 2017-12-01."
        ) from None


def _resumed(shop: Path, as_of: str, home: Path | None, attempt: int | None):
    from nightshelf.steps import resume

    return resume(_home(home), shop, _date(as_of), attempt)


Retrain = Annotated[
    bool,
    typer.Option(
        envvar="NIGHTSHELF_RETRAIN",
        help="Train rankers and examine them; if not, the reigning champions rank tonight's candidates.",
    ),
]


@app.command()
def night(shop: ShopFile, as_of: AsOf, home: HomeDir = None, retrain: Retrain = True) -> None:
    """Run a whole night in this process, without Airflow: the same steps, the same bytes."""
    from nightshelf.show.night import show_night
    from nightshelf.steps import whole_night

    show_night(whole_night(_home(home), shop, _date(as_of), retrain))


@app.command("open")
def open_(
    shop: ShopFile,
    as_of: AsOf = "",
    home: HomeDir = None,
    retrain: Retrain = True,
) -> None:
    """Begin an attempt at a night, named by a date or an instant; ends with `<night> <attempt>`."""
    from nightshelf.steps import next_night, open_night

    where = _home(home)
    chosen = _night_of(as_of, shop) if as_of else next_night(where, shop)
    run = open_night(where, shop, chosen, retrain)
    typer.echo(f"{chosen} {run.attempt.number}")


def _night_of(text: str, shop: Path) -> date:
    """A date as it is; an instant with its offset, as a scheduler gives it, in the shop's zone."""
    from nightshelf.settings.shop import load_shop

    if "T" not in text:
        return _date(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise SettingsError(
            f"--as-of '{text}' is no instant.", "Write it as 2017-12-01T08:30:00+00:00, or a date."
        )
    try:
        return instant.astimezone(load_shop(shop).zone).date()
    except OverflowError:
        raise SettingsError(
            f"--as-of '{text}' is out of time.", "Name a night of this age."
        ) from None


@app.command()
def ingest(
    shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None
) -> None:
    """Take new landing files in: raw Parquet by day, ledger, quarantine."""
    from nightshelf import steps

    steps.ingest(_resumed(shop, as_of, home, attempt))


@app.command()
def gate(
    door: Annotated[str, typer.Argument(help="raw, features or shelves.")],
    shop: ShopFile,
    as_of: AsOf,
    home: HomeDir = None,
    attempt: AttemptNumber = None,
) -> None:
    """Hold the data at a door against its expectations; a broken one stops the night."""
    from nightshelf import steps

    steps.gate(_resumed(shop, as_of, home, attempt), door)


@app.command()
def features(
    shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None
) -> None:
    """Clean events and build features with dbt (its first visit)."""
    from nightshelf import steps

    steps.features(_resumed(shop, as_of, home, attempt))


@app.command()
def train(shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None) -> None:
    """Fit the candidate sources at each cut, and the rankers over them."""
    from nightshelf import steps

    steps.train(_resumed(shop, as_of, home, attempt))


@app.command()
def evaluate(
    shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None
) -> None:
    """Examine every contender on the last fortnight, log to MLflow, promote or not."""
    from nightshelf import steps

    steps.evaluate(_resumed(shop, as_of, home, attempt))


@app.command()
def score(shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None) -> None:
    """Rank tonight's candidates for everyone with the reigning models."""
    from nightshelf import steps

    steps.score(_resumed(shop, as_of, home, attempt))


@app.command()
def shelve(
    shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None
) -> None:
    """Make the shelves from the scores with dbt (its second visit)."""
    from nightshelf import steps

    steps.shelve(_resumed(shop, as_of, home, attempt))


@app.command()
def publish(
    shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None
) -> None:
    """Publish the attempt's shelves: files, manifest, one rename."""
    from nightshelf import steps

    steps.publish(_resumed(shop, as_of, home, attempt))


@app.command()
def morning(
    shop: ShopFile,
    as_of: AsOf = "",
    home: HomeDir = None,
    attempt: AttemptNumber = None,
    show: Annotated[
        bool, typer.Option("--open", help="Show it in this machine's web browser.")
    ] = False,
) -> None:
    """Write the morning page of a night: did it work, what lies on the shelves, how good is it."""
    from nightshelf import steps
    from nightshelf.morning import place_of, seen_by_readers

    run = (
        _resumed(shop, as_of, home, attempt)
        if as_of
        else steps.resume(_home(home), shop, *seen_by_readers(_home(home), shop))
    )
    steps.morning(run)
    typer.echo(place_of(run.attempt))
    if show:
        typer.launch(place_of(run.attempt).as_uri())


@app.command()
def tune(
    shop: ShopFile,
    as_of: AsOf = "",
    minutes: Annotated[
        float,
        typer.Option(min=0, envvar="NIGHTSHELF_TUNE_MINUTES", help="For all models together."),
    ] = 20,
    trials: Annotated[
        int, typer.Option(min=0, envvar="NIGHTSHELF_TUNE_TRIALS", help="For each model, at most.")
    ] = 40,
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; may be given again.")
    ] = None,
    home: HomeDir = None,
) -> None:
    """Search better settings of the models; what it finds is a challenger that the next night judges."""
    from nightshelf.tuning.run import Budget
    from nightshelf.tuning.run import tune as search

    night = _date(as_of) if as_of else None
    search(_home(home), shop, night, Budget(minutes, trials), model or ())


@app.command()
def show(shop: ShopFile, as_of: AsOf, home: HomeDir = None, attempt: AttemptNumber = None) -> None:
    """Print a night: its stages, quality, three users' shelves, and where the tables are."""
    from nightshelf.show.night import show_night

    show_night(_resumed(shop, as_of, home, attempt))


@app.command()
def readiness(
    shop: ShopFile,
    as_of: AsOf = "",
    home: HomeDir = None,
) -> None:
    """Say which shelves the data supports, what the others get instead, and what the log lacks."""
    from nightshelf.night import Night
    from nightshelf.readiness import look
    from nightshelf.settings.shop import load_shop
    from nightshelf.show.readiness import show_readiness
    from nightshelf.steps import next_night, refuse_pins

    where, loaded = _home(home), load_shop(shop)
    chosen = _night_of(as_of, shop) if as_of else next_night(where, shop)
    # The night that is named below would refuse to begin.
    refuse_pins(loaded, shop, chosen)
    landing, night = loaded.landing_in(where, shop), Night(chosen, loaded.zone)
    show_readiness(look(where, loaded, shop, landing, night))
    typer.echo(
        f"Judged for the night of {chosen}.\n"
        f"  Next: nightshelf night --shop {shop} --as-of {chosen}"
    )


PublishedOf = Annotated[
    str,
    typer.Option("--night", metavar="YYYY-MM-DD", help="A published night. Default: the current."),
]


@app.command()
def shelf(
    user: Annotated[str, typer.Argument(help="A user id.")],
    shop: ShopFile,
    home: HomeDir = None,
    night: PublishedOf = "",
    placement: Annotated[str | None, typer.Option(help="Only this shelf, such as for_you.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many slots of each list.")] = 10,
) -> None:
    """Print a user's published shelves, with titles, reasons, scores and propensities."""
    from nightshelf.tracing.shelf import show_shelf

    of = _date(night, "--night") if night else None
    show_shelf(_home(home), shop, user, of, placement, top)


@app.command()
def explain(
    shop: ShopFile,
    user: Annotated[str, typer.Option(help="A user id.")],
    item: Annotated[str, typer.Option(help="An item id.")],
    placement: Annotated[
        str | None, typer.Option(help="Why it is on this shelf, or why not. Default: where it is.")
    ] = None,
    night: PublishedOf = "",
    home: HomeDir = None,
) -> None:
    """Walk back from a shelf row to its score, its sources, and the lines of the log behind it."""
    from nightshelf.tracing.explain import show_explained

    of = _date(night, "--night") if night else None
    show_explained(_home(home), shop, user, item, placement, of)


@app.command()
def nights(shop: ShopFile, home: HomeDir = None) -> None:
    """List the published nights, which one readers see, and which were taken back."""
    from nightshelf.show.published import show_nights

    show_nights(_home(home), shop)


@app.command()
def verify(shop: ShopFile, home: HomeDir = None) -> None:
    """Check every published file against its manifest, and accepted rows against the ledger."""
    from nightshelf.show.published import show_verified

    show_verified(_home(home), shop)


@app.command("roll-back")
def roll_back(
    shop: ShopFile,
    to: Annotated[
        str | None,
        typer.Option(
            envvar="NIGHTSHELF_TO",
            help="A night, or night/attempt. Default: the one published before what readers see.",
        ),
    ] = None,
    home: HomeDir = None,
) -> None:
    """Show readers an older night again, and let the models that made it reign."""
    from nightshelf.publishing.roll_back import models_of
    from nightshelf.publishing.roll_back import roll_back as go_back
    from nightshelf.publishing.sinks import deliver
    from nightshelf.settings.shop import load_shop
    from nightshelf.show.published import show_rolled_back

    where, loaded = _home(home), load_shop(shop)
    at = where.shop(loaded.name)
    sinks = partial(deliver, at, loaded.sink, shop)
    show_rolled_back(go_back(at, to or None, models_of(where, loaded.name), sinks))


@app.command()
def ledger(
    shop: ShopFile,
    home: HomeDir = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also files that other content has replaced.")
    ] = False,
) -> None:
    """List the landing files taken: rows read = accepted + quarantined."""
    from nightshelf.show.landed import show_ledger

    show_ledger(_home(home), shop, everything)


@app.command()
def quarantine(
    shop: ShopFile,
    home: HomeDir = None,
    reason: Annotated[str | None, typer.Option(help="Only rows with this reason.")] = None,
    source: Annotated[str | None, typer.Option(help="Only rows of this source.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Only rows of this file, as the ledger names it.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, max=1000, help="Rows shown of each reason.")] = 3,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Read the rows again by the shop file's mended mapping."),
    ] = False,
) -> None:
    """Show why rows were refused: reasons, counts, samples; or read them again."""
    from nightshelf.show.landed import Refused, show_quarantine, show_replay

    if replay:
        show_replay(_home(home), shop)
    else:
        show_quarantine(_home(home), shop, Refused(reason, source, file, samples))


@app.command()
def docs(
    home: HomeDir = None,
    show: Annotated[
        bool, typer.Option("--open", help="Show it in this machine's web browser.")
    ] = False,
) -> None:
    """Write dbt's own pages as one file: every model's columns, tests, SQL and lineage."""
    from nightshelf.transform.docs import write

    page = write(_home(home))
    typer.echo(page)
    if show:
        typer.launch(page.as_uri())


@app.command()
def ope(
    log: Annotated[
        Path | None,
        typer.Argument(
            help="Impressions: context_id, item_id, position, propensity, reward; night, too, if it is there."
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Its item_id and probability, by context_id and position if it has them."
        ),
    ] = None,
    uniform: Annotated[
        bool, typer.Option("--uniform", help="Evaluate the even policy over all items of the log.")
    ] = False,
    clip: Annotated[
        float | None, typer.Option(help="Cut weights to this; the estimates then lean downwards.")
    ] = None,
    intervals: Annotated[
        str, typer.Option(help="bootstrap_t, percentile or normal.")
    ] = "bootstrap_t",
    allow_uncovered: Annotated[
        float, typer.Option(min=0, max=1, help="The policy's share on items never shown.")
    ] = 0.01,
    shop: Annotated[
        Path | None,
        typer.Option(help="Instead of a log: this shop's own impressions, of --placement."),
    ] = None,
    placement: Annotated[str | None, typer.Option(help="With --shop: the shelf.")] = None,
    reward: Annotated[
        str | None, typer.Option(help="With --shop: click, if not given, or purchase.")
    ] = None,
    home: HomeDir = None,
) -> None:
    """Estimate what another policy would have earned, from logged impressions."""
    from nightshelf.ope import Options, Sampling
    from nightshelf.ope.command import run

    options = Options(clip=clip, allow_uncovered=allow_uncovered, sampling=Sampling(intervals))
    if (log is None) == (shop is None) or (shop is None) != (placement is None):
        raise SettingsError(
            "One log is to be weighed.", "Pass a file, or --shop with --placement, and not both."
        )
    if shop is None:
        if reward is not None:
            raise SettingsError(
                "--reward is of a shop's own impressions; a file has a column reward.",
                "Leave it out, or pass --shop with --placement in place of the file.",
            )
        run(log, policy, uniform, options)
        return
    from nightshelf.ope.shop import logged

    with logged(_home(home), shop, placement, reward or "click") as own:
        run(own, policy, uniform, options)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="A new folder: the made-up shop lives there.")],
    nights: Annotated[int, typer.Option(min=1, max=1000, help="Nights to run.")] = 30,
    users: Annotated[
        int, typer.Option(min=60, max=100_000, help="Users, with the last to join.")
    ] = 200,
    items: Annotated[
        int, typer.Option(min=60, max=100_000, help="Items, with the last to arrive.")
    ] = 120,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another shop.")] = 1,
    budget: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the slots of rec_for_you that explore.")
    ] = 0.0,
    policy: Annotated[str, typer.Option(help="even or thompson.")] = "even",
    rules: Annotated[
        Path | None, typer.Option(help="A TOML file with [rules], for the made-up shop's file.")
    ] = None,
) -> None:
    """Run nights in a made-up shop whose truth is known, and measure its shelves against it."""
    from nightshelf.simulation.command import Size, run

    run(folder, Size(users, items, nights), seed, budget, policy, rules)


@app.command()
def demo(home: HomeDir = None) -> None:
    """Lay the demo shop's landing files out (The Complete Journey, 366 files)."""
    from nightshelf.demo import lay_out
    from nightshelf.progress import console, progress

    with progress("demo") as shown:
        landing = lay_out(_home(home), shown)
    console.print(f"The demo shop's files lie in {landing}", markup=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def airflow(context: typer.Context, home: HomeDir = None) -> None:
    """Run any Airflow command in Nightshelf's home, such as `airflow dags list`."""
    from nightshelf.orchestration.environment import replace_with_airflow

    replace_with_airflow(_home(home), context.args)


@app.command("night-by-airflow")
def night_by_airflow(shop: ShopFile, as_of: AsOf, home: HomeDir = None) -> None:
    """Run the DAG nightly_recommendations for one night, and show the result."""
    from nightshelf.orchestration.one_night import run_dag
    from nightshelf.show.night import show_night

    where = _home(home)
    run_dag(where, shop, _date(as_of))
    show_night(_resumed(shop, as_of, where.root, None))


@app.command()
def up(
    home: HomeDir = None,
    only: Annotated[str | None, typer.Option(help="airflow or mlflow; both if left out.")] = None,
) -> None:
    """Serve Airflow and MLflow on this machine until Ctrl-C."""
    from nightshelf.orchestration.servers import up as serve

    serve(_home(home), only)


@app.command()
def prepare(home: HomeDir = None) -> None:
    """Bring the databases of Airflow and MLflow to this version; make the account admin."""
    from nightshelf.orchestration.serving import prepare as make_ready

    make_ready(_home(home))


@app.command()
def serve(
    server: Annotated[
        str, typer.Argument(help="api-server, scheduler, dag-processor, triggerer or mlflow.")
    ],
    home: HomeDir = None,
) -> None:
    """Become one server in the foreground: what each container of the stack runs."""
    from nightshelf.orchestration.serving import serve as become

    become(_home(home), server)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new file; - is standard output.")],
    home: HomeDir = None,
) -> None:
    """Write the home and a server's databases into one file; a night waits meanwhile."""
    from nightshelf.backup import back_up

    typer.echo(back_up(_home(home), target), err=True)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The file of a backup; - is standard input.")],
    home: HomeDir = None,
    replace: Annotated[bool, typer.Option("--replace", help="Remove what is there.")] = False,
) -> None:
    """Bring a backup back, whole, and verify its nights. Servers must be down."""
    from nightshelf.backup import restore as bring_back

    typer.echo(bring_back(_home(home), source, replace), err=True)


@app.command()
def status(home: HomeDir = None) -> None:
    """Say which servers are up, where they listen, and what memory they take."""
    from nightshelf.orchestration.servers_seen import status as tell

    tell(_home(home))


@app.command()
def down(home: HomeDir = None) -> None:
    """End the servers that `up` started in another terminal."""
    from nightshelf.orchestration.servers_seen import down as end

    end(_home(home))


@app.command()
def logs(
    server: Annotated[str | None, typer.Argument(help="One server's; all if left out.")] = None,
    home: HomeDir = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Of each log, the last.")] = 20,
) -> None:
    """Print the last lines of the servers' logs."""
    from nightshelf.orchestration.servers_seen import logs as tell

    tell(_home(home), server, lines)


def main() -> NoReturn:
    """The entry point: errors end with their own exit code, in two lines, without a traceback; and
    whatever a command holds open is closed where SIGTERM ends it."""
    from nightshelf.orchestration.processes import sigterm_raises

    try:
        with sigterm_raises():
            app()
    except Exception as error:
        known = in_words(error)
        if known is None:
            raise
        print(f"✗ {known}", file=sys.stderr)
        sys.exit(known.exit_code)
    sys.exit(0)
