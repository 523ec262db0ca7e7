"""One DuckDB file shows one whole night, and is replaced whole; a failing sink fails the step, not the night."""

import os
import subprocess
import sys

import duckdb
import pytest

from nightshelf.columns import AUDIENCE, SHELVES, TABLES
from nightshelf.errors import SettingsError, StaleAttempt, StorageError
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current
from nightshelf.publishing.roll_back import roll_back
from nightshelf.publishing.sinks import deliver, duckdb_file, refuse_without_url
from nightshelf.settings.shop import Sinks
from tests.support.published import furnish


def bring(shop, tmp_path, **settings):
    sinks = Sinks.model_validate({"duckdb": {"path": "sunk/shop's.duckdb"} | settings})
    (told,) = deliver(shop, sinks, tmp_path / "shop.toml", "nightshelf publish")
    return told.removeprefix("sink.duckdb: ")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sunk" / "shop's.duckdb"


def asked(file, sql):
    with duckdb.connect(str(file), read_only=True) as db:
        return db.execute(sql).fetchall()


def night_of(file):
    return asked(file, "select night::text || '/' || attempt from current_night")[0][0]


def test_every_table_arrives_with_equal_rows_keys_and_an_index(shop, file, tmp_path):
    night = furnish(shop, "2017-12-01/1", 60)
    told = bring(shop, tmp_path)
    assert told == f"night 2017-12-01/1, {len(TABLES)} tables, {60 * len(TABLES):,} rows, in {file}"
    for table in TABLES:
        theirs = duckdb.execute(f"from '{night.path / table}.parquet'").fetchall()
        assert repr(asked(file, f"from {table}")) == repr(theirs)
    keys = asked(
        file, "select table_name from duckdb_constraints() where constraint_type = 'PRIMARY KEY'"
    )
    assert len(keys) == len(SHELVES) + len(AUDIENCE)
    assert ("rec_for_you_by_context_id",) in asked(file, "select index_name from duckdb_indexes()")


def test_delivering_twice_touches_nothing(shop, file, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    before = file.stat().st_ino
    assert bring(shop, tmp_path) == "had night 2017-12-01/1 already"
    assert file.stat().st_ino == before


def test_a_reader_goes_on_reading_the_night_that_it_opened(shop, file, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    with duckdb.connect(str(file), read_only=True) as reader:
        furnish(shop, "2017-12-02/1")
        bring(shop, tmp_path)
        seen = {reader.execute(f"select min(night)::text from {t}").fetchone()[0] for t in TABLES}
        assert seen == {"2017-12-01"}
    assert night_of(file) == "2017-12-02/1"


def test_an_older_night_is_passed_over_and_an_older_attempt_is_stale(shop, file, tmp_path):
    furnish(shop, "2017-12-02/2")
    bring(shop, tmp_path)
    other = Home(tmp_path / "other").shop("shop")
    furnish(other, "2017-12-01/1")
    assert bring(other, tmp_path) == "goes on showing night 2017-12-02/2"
    furnish(other, "2017-12-02/1")
    with pytest.raises(StaleAttempt):
        bring(other, tmp_path)
    assert night_of(file) == "2017-12-02/2"


def test_it_goes_back_with_the_readers(shop, file, tmp_path):
    for night in ("2017-12-01/1", "2017-12-02/1"):
        furnish(shop, night)
        bring(shop, tmp_path)
    roll_back(shop, None, lambda night: list, lambda again: [bring(shop, tmp_path)])
    assert night_of(file) == "2017-12-01/1"


@pytest.mark.parametrize("what", ["text", "another database"])
def test_a_stranger_s_file_is_never_replaced(shop, file, tmp_path, what):
    furnish(shop, "2017-12-01/1")
    file.parent.mkdir()
    if what == "text":
        file.write_text("mine")
    else:
        duckdb.connect(str(file)).close()
    before = file.read_bytes()
    with pytest.raises(StorageError, match="is no file of this sink"):
        bring(shop, tmp_path)
    assert file.read_bytes() == before


def test_a_file_that_somebody_writes_is_not_replaced_under_them(shop, file, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    file.with_name(f"{file.name}.wal").touch()
    furnish(shop, "2017-12-02/1")
    with pytest.raises(StorageError, match="has a .wal beside it"):
        bring(shop, tmp_path)


def test_a_delivery_killed_before_its_rename_leaves_the_old_night_and_is_swept(
    shop, file, tmp_path, monkeypatch
):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    furnish(shop, "2017-12-02/1")

    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(duckdb_file, "_put_in_place", killed)
        bring(shop, tmp_path)
    assert night_of(file) == "2017-12-01/1"
    bring(shop, tmp_path)
    assert night_of(file) == "2017-12-02/1"
    assert sorted(p.name for p in file.parent.iterdir()) == [".shop's.duckdb.lock", "shop's.duckdb"]


def test_what_a_killed_delivery_left_is_swept_whatever_the_file_is_called(shop, tmp_path):
    furnish(shop, "2017-12-01/1")
    left, others = tmp_path / ".a[1].duckdb.incoming", tmp_path / ".a1.duckdb.incoming"
    for path in (left, others):
        path.write_text("half of it")
    bring(shop, tmp_path, path="a[1].duckdb")
    assert night_of(tmp_path / "a[1].duckdb") == "2017-12-01/1"
    assert (left.exists(), others.exists()) == (False, True)


def test_a_sink_that_fails_stops_no_other_and_names_itself_and_the_way_out(
    shop, file, tmp_path, monkeypatch
):
    furnish(shop, "2017-12-01/1")
    monkeypatch.delenv("NO_SUCH_URL", raising=False)
    sinks = {"postgres": {"url_env": "NO_SUCH_URL"}, "duckdb": {"path": str(file)}}
    with pytest.raises(
        SettingsError, match="(?s)published.*sink.postgres: .*NO_SUCH_URL.*`nightshelf publish`"
    ):
        deliver(shop, Sinks.model_validate(sinks), tmp_path / "shop.toml", "nightshelf publish")
    assert night_of(file) == "2017-12-01/1"
    assert current(shop).name == "2017-12-01/1"
    with pytest.raises(SettingsError, match="NO_SUCH_URL"):
        refuse_without_url(Sinks.model_validate(sinks))


def test_a_damaged_night_is_not_delivered(shop, file, tmp_path):
    night = furnish(shop, "2017-12-01/1")
    (night.path / "rec_popular.parquet").write_bytes(b"")
    with pytest.raises(StorageError, match="damaged"):
        bring(shop, tmp_path)
    assert not file.exists()


def test_without_a_sink_nothing_is_delivered_and_no_driver_is_imported(shop, tmp_path):
    furnish(shop, "2017-12-01/1")
    script = (
        "import sys\nfrom pathlib import Path\nfrom nightshelf.paths import Home\n"
        "from nightshelf.publishing.sinks import deliver\nfrom nightshelf.settings.shop import Sinks\n"
        "assert deliver(Home(Path(sys.argv[1])).shop('shop'), Sinks(), Path('x'), '') == []\n"
        "assert not {'psycopg', 'pyarrow'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=True)
