"""The command line: helpful, light to start, and short when it fails."""

import os
import signal
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from nightshelf import cli, errors
from nightshelf.paths import PROJECT

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}",
    "NIGHTSHELF_LOCK_SECONDS": "0.3",
}
HEAVY = ("duckdb", "pandas", "numpy", "pyarrow", "scipy", "sklearn", "mlflow", "dbt", "airflow",
         "great_expectations", "pydantic")  # fmt: skip
COMMANDS = sorted(typer.main.get_command(cli.app).commands.items())
SHOP = """
name = "tiny"
time_zone = "UTC"
currency = "EUR"
landing = "landing"
[[sources]]
name = "lines"
adapter = "online_retail"
path = "*.csv"
"""
LINES = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 18:26:00,2.55,17850.0,United Kingdom
"""
PIN_THAT_EXPLORES = """
[exploration]
budget = { for_you = 0.1 }

[[rules.lines]]
rule = "pin"
value = "85123A"
placement = "for_you"
rank = 1
"""


def run(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "nightshelf", *map(str, words)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, **more,
    )  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "lines.csv").write_text(LINES)
    path = tmp_path / "tiny.toml"
    path.write_text(SHOP)
    return path


def ends(done, code, *told):
    """Fails with its own exit code, says what happened and what to do next, and nothing else."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    what, next_step = done.stderr.strip().splitlines()[-2:]
    assert what.startswith("✗ ")
    assert next_step.startswith("  Next: ")
    for text in told:
        assert text in done.stderr


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[n for n, _ in COMMANDS])
def test_every_command_and_option_says_what_it_does(name, command):
    assert command.help, name
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"
    assert CliRunner().invoke(cli.app, [name, "--help"]).exit_code == 0


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom nightshelf.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert "loaded: []" in done.stdout
    assert all(name in done.stdout for name, _ in COMMANDS)


def test_every_error_has_an_exit_code_of_its_own():
    family = errors.NightshelfError.__subclasses__()
    codes = [e.exit_code for e in family]
    assert len(set(codes)) == len(family) == 10
    for error in family:
        assert f"{error.__name__:<20}" in errors.__doc__
        assert f" {error.exit_code} " in next(
            line for line in errors.__doc__.splitlines() if error.__name__ in line
        )


def test_sigterm_ends_any_command_as_ctrl_c_does_so_that_what_is_open_is_closed():
    code = (
        "import os, signal, sys\nfrom nightshelf import cli\n"
        "@cli.app.command()\n"
        "def open_something():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n        signal.pause()\n"
        "    finally:\n        print('closed')\n"
        "sys.argv = ['nightshelf', 'open-something']\ncli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "closed\n")


def test_a_missing_shop_file_ends_with_2(tmp_path):
    done = run("night", "--shop", tmp_path / "no.toml", "--as-of", "2026-05-01", "--home", tmp_path)
    ends(done, 2, "No shop file at", "Pass --shop with a TOML file")


def test_a_date_that_is_none_ends_with_2(shop, tmp_path):
    done = run("night", "--shop", shop, "--as-of", "1 May", "--home", tmp_path)
    ends(done, 2, "--as-of '1 May' is no date", "such as 2017-12-01")


def test_a_step_without_an_attempt_ends_with_2(shop, tmp_path):
    done = run("train", "--shop", shop, "--as-of", "2010-12-02", "--home", tmp_path / "home")
    ends(done, 2, "There is no attempt at night 2010-12-02 of shop 'tiny'", "nightshelf open")


@pytest.mark.parametrize("command", ["open", "readiness"])
def test_a_pin_on_a_shelf_that_explores_is_refused_before_anything_is_begun(
    shop, tmp_path, command
):
    with shop.open("a") as file:
        file.write(PIN_THAT_EXPLORES)
    home = tmp_path / "home"
    done = run(command, "--shop", shop, "--as-of", "2010-12-02", "--home", home)
    ends(done, 2, "pins '85123A' to rank 1 of for_you", "out of [exploration.budget]")
    assert not list(home.glob("shops/*/attempts/*/*"))


def test_a_home_that_mlflow_would_read_otherwise_ends_with_2(shop, tmp_path):
    ends(run("nights", "--shop", shop, "--home", tmp_path / "a%41b"), 2, "'%' and two digits")
    assert run("nights", "--shop", shop, "--home", tmp_path / "50% {off}").returncode == 0


@pytest.mark.parametrize("sign", ["?", "#"])
def test_a_home_that_dbt_cannot_write_to_ends_with_2(shop, tmp_path, sign):
    done = run("nights", "--shop", shop, "--home", tmp_path / f"home{sign}")
    ends(done, 2, f"home{sign} has a '?' or '#' in its path")


def test_a_night_before_the_first_event_ends_with_3(shop, tmp_path):
    done = run("night", "--shop", shop, "--as-of", "2010-12-01", "--home", tmp_path / "home")
    ends(
        done, 3, "No events before 2010-12-01; the logs at hand cover 2010-12-01 to 2010-12-01.",
        "Load older logs, or pass a later --as-of.",
    )  # fmt: skip


def test_no_landing_files_end_with_3(shop, tmp_path):
    (tmp_path / "landing" / "lines.csv").unlink()
    done = run("open", "--shop", shop, "--home", tmp_path / "home")
    ends(done, 3, "Source 'lines': no file matches", "Put the exports there")


def test_rows_that_are_all_refused_end_with_3(shop, tmp_path):
    (tmp_path / "landing" / "lines.csv").write_text(LINES.replace("2010-12-01", "1 December"))
    done = run("night", "--shop", shop, "--as-of", "2010-12-02", "--home", tmp_path / "home")
    ends(done, 3, "No events at all", "nightshelf quarantine")
    told = run("quarantine", "--shop", shop, "--home", tmp_path / "home").stdout
    assert "bad_time" in told
    assert "lines.csv, line 2" in told


def test_open_without_a_date_takes_the_night_nearest_to_the_newest_event(shop, tmp_path):
    done = run("open", "--shop", shop, "--home", tmp_path / "home")
    assert done.stdout.splitlines()[-1] == "2010-12-02 1"
    again = run("open", "--shop", shop, "--as-of", "2010-12-02", "--home", tmp_path / "home")
    assert again.stdout.splitlines()[-1] == "2010-12-02 2"


def test_a_shop_without_a_published_night_ends_with_3(shop, tmp_path):
    done = run("shelf", "17850", "--shop", shop, "--home", tmp_path / "home")
    ends(done, 3, "Shop 'tiny' has no published night yet", "Run `nightshelf night` first")


def test_a_warehouse_that_another_process_writes_ends_with_7_and_names_it(shop, tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom nightshelf.paths import Home\n"
        "from nightshelf.warehouse import writer\n"
        "with writer(Home(Path(sys.argv[1])).shop('tiny'), 'night 2010-12-01, features'):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    home = tmp_path / "home"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, home], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        done = run("open", "--shop", shop, "--home", home)
        told = f"is being written by night 2010-12-01, features, process {holder.pid}; waited 0 s."
        ends(done, 7, told, "Let that process finish")
    finally:
        holder.kill()
        holder.wait()
    # A holder that died holds nothing.
    assert run("open", "--shop", shop, "--home", home).returncode == 0


def test_a_step_waits_for_one_that_outlived_its_worker(shop, tmp_path):
    home = tmp_path / "home"
    run("open", "--shop", shop, "--home", home)
    code = (
        "import sys, time\nfrom datetime import date\nfrom pathlib import Path\n"
        "from nightshelf.paths import Home\nfrom nightshelf.warehouse import alone\n"
        "attempt = Home(Path(sys.argv[1])).shop('tiny').attempt(date(2010, 12, 2), 1)\n"
        "with alone(attempt, 'ingest'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    given = [sys.executable, "-c", code, home]
    holder = subprocess.Popen(given, env=ENVIRONMENT, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        done = run("ingest", "--shop", shop, "--as-of", "2010-12-02", "--home", home)
        told = f"is being worked on by step ingest, process {holder.pid}; waited 0 s."
        ends(done, 7, told, "Let that process finish")
    finally:
        holder.kill()
        holder.wait()
    assert run("ingest", "--shop", shop, "--as-of", "2010-12-02", "--home", home).returncode == 0


def test_an_attempt_held_by_another_process_ends_with_7_and_names_it(shop, tmp_path):
    home = tmp_path / "home"
    run("open", "--shop", shop, "--home", home)
    path = home / "shops" / "tiny" / "attempts" / "2010-12-02" / "1" / "night.duckdb"
    code = "import sys, duckdb\ndb = duckdb.connect(sys.argv[1])\nprint('held', flush=True)\nsys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, path],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        done = run("ingest", "--shop", shop, "--as-of", "2010-12-02", "--home", home)
        ends(done, 7, "is held by another process", str(holder.pid), "Let that process finish")
    finally:
        holder.kill()
        holder.wait()


def test_a_home_that_is_a_file_ends_with_8(shop, tmp_path):
    (tmp_path / "file").touch()
    done = run("open", "--shop", shop, "--home", tmp_path / "file" / "home")
    ends(done, 8, "Not a folder", "choose another --home")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can act as another user"
)
def test_a_home_that_may_not_be_written_ends_with_8(shop, tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    try:
        run("--help", user=65534)
    except PermissionError:
        pytest.skip("another user may not run this checkout's Python")
    done = run("open", "--shop", shop, "--home", tmp_path / "home", user=65534)
    ends(done, 8, "No permission", "Let this user write there")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="a mount needs root")
def test_a_read_only_disk_ends_with_8(shop, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a read-only disk could not be made: {mounted.stderr.decode().strip()}")
    try:
        done = run("open", "--shop", shop, "--home", disk / "home")
        ends(done, 8, "Read-only file system", "choose another --home")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_ids_of_a_landing_file_cannot_speak_to_the_terminal(shop, tmp_path):
    spoilt = LINES.replace("536365", "\x1b[31m[bold]").replace("2010-12-01", "never")
    (tmp_path / "landing" / "lines.csv").write_text(spoilt)
    run("open", "--shop", shop, "--home", tmp_path / "home")
    told = run("quarantine", "--shop", shop, "--home", tmp_path / "home").stdout
    assert "\x1b" not in told
    assert "[bold]" in told


def test_a_closed_pipe_does_not_end_a_step(shop, tmp_path):
    """`nightshelf night … | head`: the night goes on without its printer."""
    given = ["--shop", str(shop), "--as-of", "2010-12-02", "--home", str(tmp_path / "home")]
    run("open", *given)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nightshelf", "ingest", *given], stdout=writer, timeout=120
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert "lines.csv" in run("ledger", "--shop", shop, "--home", tmp_path / "home").stdout
