"""PostgreSQL shows one whole night, whoever reads, whoever dies. With a server of the tests' own."""

import os
import re
import threading
import time
from contextlib import suppress

import pytest

pytestmark = pytest.mark.long

psycopg = pytest.importorskip("psycopg", reason="the sink to PostgreSQL was not tested: no psycopg")

import duckdb  # noqa: E402

from nightshelf.columns import TABLES  # noqa: E402
from nightshelf.errors import StaleAttempt, StorageError, WarehouseLocked  # noqa: E402
from nightshelf.paths import PROJECT, Home  # noqa: E402
from nightshelf.publishing.publish import point_at  # noqa: E402
from nightshelf.publishing.roll_back import roll_back  # noqa: E402
from nightshelf.publishing.sinks import deliver  # noqa: E402
from nightshelf.publishing.sinks import postgres as sink  # noqa: E402
from nightshelf.settings.shop import Sinks  # noqa: E402
from nightshelf.storage import write_json  # noqa: E402
from tests.support.postgres import Server  # noqa: E402
from tests.support.published import furnish  # noqa: E402

URL = "NIGHTSHELF_TEST_POSTGRES"
POINTS = 20 if os.environ.get("NIGHTSHELF_SOAK") else 5
SWAPS = 500 if os.environ.get("NIGHTSHELF_SOAK") else 50
BETWEEN_READS = 0.01  # two readers in a row without a pause leave the loader no processor


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.end()


@pytest.fixture
def db(server, monkeypatch):
    """An autocommitted connection; the schema is dropped before it."""
    monkeypatch.setenv(URL, server.url)
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("drop schema if exists nightshelf cascade")
        yield db


def bring(shop, tmp_path, **settings):
    """Delivers what readers of the files see; returns what is said of the sink."""
    sinks = Sinks.model_validate({"postgres": {"url_env": URL} | settings})
    (told,) = deliver(shop, sinks, tmp_path / "shop.toml", "nightshelf publish")
    return told.removeprefix("sink.postgres: ")


def shown(db):
    """The night by the pointer, and the nights in the rows of every table."""
    pointer = db.execute("select night::text || '/' || attempt from nightshelf.current_night")
    seen = {pointer.fetchone()[0].split("/")[0]}
    for table in TABLES:
        found = db.execute(f"select distinct night::text from nightshelf.{table}")
        seen |= {night for (night,) in found}
    return seen


def tables(db):
    found = db.execute("select tablename from pg_tables where schemaname = 'nightshelf'").fetchall()
    return sorted(name for (name,) in found)


def test_every_table_arrives_with_equal_rows_and_hostile_ids(shop, db, tmp_path):
    night = furnish(shop, "2017-12-01/1", 100)
    assert (
        bring(shop, tmp_path)
        == f"night 2017-12-01/1, {len(TABLES)} tables, {100 * len(TABLES):,} rows"
    )
    for table in TABLES:
        theirs = duckdb.execute(f"from '{night.path / table}.parquet'").fetchall()
        ours = db.execute(f"select * from nightshelf.{table}").fetchall()
        assert sorted(map(repr, ours)) == sorted(map(repr, theirs))


def test_the_pointer_names_the_night_its_attempt_and_its_manifest(shop, db, tmp_path):
    night = furnish(shop, "2017-12-01/3")
    bring(shop, tmp_path)
    row = db.execute("select * from nightshelf.current_night").fetchone()
    assert row[:3] == (night.night, 3, sink.shown_as(night).manifest_sha256)
    assert row[3].tzinfo is not None


def test_tables_have_their_key_and_an_index_by_context(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    found = db.execute(
        "select split_part(tablename, '__', 1), indexdef from pg_indexes"
        " where schemaname = 'nightshelf'"
    ).fetchall()
    by = {(table, sql[sql.index("(") + 1 : -1]) for table, sql in found}
    assert ("rec_for_you", "context_type, context_id, rank") in by
    assert ("user_interest_history", "user_id, month, category") in by
    assert {("audiences", "audience, user_id"), ("audiences", "user_id")} <= by
    assert not [table for table, _ in by if table.startswith("rpt_")]


def test_the_documented_query_uses_the_index(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1", 5000)
    bring(shop, tmp_path)
    plan = db.execute(
        "explain select item_id from nightshelf.rec_for_you"
        " where context_type = 'x' and context_id = 'y' order by rank"
    ).fetchall()
    assert "rec_for_you" in str(plan) and "_pkey" in str(plan)


def test_delivering_twice_changes_nothing(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    before = tables(db)
    assert bring(shop, tmp_path) == "had night 2017-12-01/1 already"
    assert tables(db) == before


def test_a_view_that_somebody_dropped_comes_back(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    db.execute("drop view nightshelf.rec_popular")
    assert bring(shop, tmp_path).startswith(f"night 2017-12-01/1, {len(TABLES)} tables")
    assert shown(db) == {"2017-12-01"}


def test_a_table_that_the_shop_leaves_out_goes(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    assert bring(shop, tmp_path, tables=["rec_for_you"]).startswith("night 2017-12-01/1, 1 tables")
    assert [name.split("__")[0] for name in tables(db)] == ["current_night", "rec_for_you"]


def test_what_a_dead_load_left_is_swept_and_a_stranger_s_table_is_not(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    db.execute("create schema nightshelf")
    for name in ("rec_for_you__deadbeef", "mine__deadbeef", "rec_for_you__mine"):
        db.execute(f"create table nightshelf.{name} (a text)")
    bring(shop, tmp_path)
    left = set(tables(db))
    assert {"mine__deadbeef", "rec_for_you__mine"} <= left
    assert "rec_for_you__deadbeef" not in left
    assert len(left) == len(TABLES) + 1 + 2


def test_grants_and_views_of_the_shop_last_from_night_to_night(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    db.execute("drop role if exists web; create role web")
    db.execute(
        "grant usage on schema nightshelf to web; grant select on nightshelf.rec_for_you to web"
    )
    db.execute("create or replace view public.mine as select night from nightshelf.rec_for_you")
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)
    db.execute("set role web")
    ours = db.execute("select distinct night::text from nightshelf.rec_for_you").fetchall()
    db.execute("reset role")
    theirs = db.execute("select distinct night::text from public.mine").fetchall()
    assert ours == theirs == [("2017-12-02",)]
    db.execute("drop view public.mine; drop owned by web; drop role web")


def test_the_rights_on_the_page_show_the_web_shop_the_next_night(shop, db, tmp_path):
    text = (PROJECT / "docs" / "sinks.md").read_text(encoding="utf-8")
    (rights,) = re.findall(r"^```sql\n(grant .*?)^```$", text, re.M | re.S)
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    db.execute("drop role if exists web; create role web")
    db.execute(rights.replace("role nightshelf", f"role {db.info.user}"))
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)
    db.execute("set role web")
    seen = db.execute("select distinct night::text from nightshelf.rec_popular").fetchall()
    db.execute("reset role")
    db.execute("drop owned by web; drop role web")
    assert seen == [("2017-12-02",)]


def test_other_columns_than_last_night_s_are_taken(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1", rpt_gaps="select date '2017-12-01' as night, 'x' as gap")
    bring(shop, tmp_path)
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)
    assert shown(db) == {"2017-12-02"}


def test_a_view_of_the_shop_that_forbids_other_columns_is_named(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1", rpt_gaps="select date '2017-12-01' as night, 'x' as gap")
    bring(shop, tmp_path)
    db.execute("create view nightshelf.mine as select gap from nightshelf.rpt_gaps")
    furnish(shop, "2017-12-02/1")
    with pytest.raises(
        StorageError, match="view nightshelf.mine depends on view nightshelf.rpt_gaps"
    ):
        bring(shop, tmp_path)
    assert "2017-12-01" in str(
        db.execute("select night from nightshelf.current_night").fetchone()[0]
    )


def test_a_table_in_a_view_s_place_is_told_and_left(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    db.execute("create schema nightshelf; create table nightshelf.rec_for_you (mine text)")
    with pytest.raises(StorageError, match='"rec_for_you" is not a view'):
        bring(shop, tmp_path)
    assert tables(db) == ["rec_for_you"]


def test_an_id_too_long_for_a_key_costs_the_key_and_not_the_night(shop, db, tmp_path):
    long = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(20_000))
    furnish(shop, "2017-12-01/1", 8, ids=(long,))
    bring(shop, tmp_path)
    found = db.execute(
        "select context_id from nightshelf.rec_for_you where context_id = %s", [f"{long}/0"]
    )
    assert found.rowcount == 1
    assert "hash" in str(
        db.execute("select indexdef from pg_indexes where tablename like 'rec_for%'").fetchall()
    )


def test_a_nul_in_text_is_refused_in_words(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1", 4, ids=("a\0b",))
    with pytest.raises(StorageError, match="NUL"):
        bring(shop, tmp_path)
    assert tables(db) == []


# ------------------------------------------------------------------ forward, and back


def test_an_older_night_does_not_take_the_sink_back(shop, db, tmp_path):
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)
    other = Home(tmp_path / "other").shop("shop")
    furnish(other, "2017-12-01/9")
    assert bring(other, tmp_path) == "goes on showing night 2017-12-02/1"
    assert shown(db) == {"2017-12-02"}


def test_an_older_attempt_at_the_same_night_is_stale(shop, db, tmp_path):
    furnish(shop, "2017-12-01/2")
    bring(shop, tmp_path)
    other = Home(tmp_path / "other").shop("shop")
    furnish(other, "2017-12-01/1")
    with pytest.raises(StaleAttempt, match="sink shows attempt 2 at night 2017-12-01"):
        bring(other, tmp_path)


def test_the_sink_goes_back_with_the_readers_and_a_retry_does_not_lead_it_forward(
    shop, db, tmp_path
):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)
    done = roll_back(shop, None, lambda night: list, lambda again: [bring(shop, tmp_path)])
    assert done.told == [f"night 2017-12-01/1, {len(TABLES)} tables, {24 * len(TABLES):,} rows"]
    assert shown(db) == {"2017-12-01"}
    assert bring(shop, tmp_path) == "had night 2017-12-01/1 already"


def test_a_sink_that_failed_in_a_roll_back_is_brought_back_by_the_next(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    furnish(shop, "2017-12-02/1")
    bring(shop, tmp_path)

    def down(again):
        raise StorageError(again, "")

    with pytest.raises(StorageError, match="roll-back --to 2017-12-01/1"):
        roll_back(shop, None, lambda night: list, down)
    roll_back(shop, "2017-12-01/1", lambda night: list, lambda again: [bring(shop, tmp_path)])
    assert shown(db) == {"2017-12-01"}


def test_a_delivery_that_readers_of_the_files_have_overtaken_does_nothing(shop, db, tmp_path):
    old = furnish(shop, "2017-12-01/1")
    furnish(shop, "2017-12-02/1")
    told = sink.deliver(
        shop, Sinks.model_validate({"postgres": {"url_env": URL}}).postgres, os.environ[URL], old
    )
    assert told == "goes on showing night none"
    assert tables(db) == []


# ------------------------------------------------------------------ readers


@pytest.mark.parametrize(
    ("level", "swaps"), [("repeatable read", SWAPS), ("read committed", SWAPS // 5)]
)
def test_a_transaction_sees_one_night_during_many_swaps(shop, db, server, tmp_path, level, swaps):
    read_by = ("current_night", "rec_for_you", "audiences", "rpt_gaps", "rec_popular")
    nights = [furnish(shop, f"2017-12-{day:02}/1", 6) for day in (1, 2)]
    bring(shop, tmp_path, tables=list(read_by[1:]))
    ended, mixed, reads, failed = threading.Event(), [], [], []

    def read(prepare):
        with psycopg.connect(server.url) as mine:
            while not ended.is_set():
                try:
                    mine.execute(f"set transaction isolation level {level}")
                    seen = set()
                    for table in read_by:
                        found = mine.execute(
                            f"select night::text from nightshelf.{table}", prepare=prepare
                        )
                        seen |= {night for (night,) in found} or {f"{table} is empty"}
                    mine.commit()
                except psycopg.Error as error:
                    failed.append(repr(error))
                    mine.rollback()
                time.sleep(BETWEEN_READS)
                reads.append(seen)
                if len(seen) != 1:
                    mixed.append(seen)

    readers = [threading.Thread(target=read, args=(prepare,)) for prepare in (True, False)]
    for reader in readers:
        reader.start()
    for swap in range(swaps):
        # Back and forth: as if each night were taken back and shown again.
        wanted = nights[swap % 2]
        point_at(shop, wanted)
        write_json(shop.nights / "withdrawn.json", {"nights": [nights[1 - swap % 2].name]})
        assert bring(shop, tmp_path, tables=list(read_by[1:])).startswith(f"night {wanted.name}")
    ended.set()
    for reader in readers:
        reader.join()
    assert (mixed, failed) == ([], [])
    assert {frozenset(seen) for seen in reads} == {
        frozenset({"2017-12-01"}),
        frozenset({"2017-12-02"}),
    }


def test_a_snapshot_older_than_the_swap_sees_the_new_night_and_no_empty_table(
    shop, db, server, tmp_path
):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    with psycopg.connect(server.url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute(
            "select 1 from pg_class limit 1"
        )  # the snapshot; of ours it has read nothing
        furnish(shop, "2017-12-02/1")
        bring(shop, tmp_path)
        assert shown(reader) == {"2017-12-02"}


def test_a_reader_who_does_not_end_is_named_and_keeps_the_old_night(shop, db, server, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    before = tables(db)
    furnish(shop, "2017-12-02/1")
    with psycopg.connect(server.url) as reader:
        reader.execute("select 1 from nightshelf.rec_for_you limit 1")
        pid = reader.info.backend_pid
        with pytest.raises(
            WarehouseLocked, match=f"(?s)readers hold it .process {pid} of shop.*nightshelf publish"
        ):
            bring(shop, tmp_path, wait_seconds=0.5)
        assert shown(reader) == {"2017-12-01"}
    assert tables(db) == before
    assert bring(shop, tmp_path).startswith("night 2017-12-02/1")


def test_other_readers_are_not_shut_out_while_one_does_not_end(shop, db, server, tmp_path):
    furnish(shop, "2017-12-01/1")
    bring(shop, tmp_path)
    furnish(shop, "2017-12-02/1")
    with psycopg.connect(server.url) as reader:
        reader.execute("select 1 from nightshelf.rec_for_you limit 1")
        loader = threading.Thread(
            target=lambda: (
                suppress(WarehouseLocked).__enter__() or bring(shop, tmp_path, wait_seconds=30)
            )
        )
        loader.start()
        for _ in range(20):
            assert shown(db) == {"2017-12-01"}
        reader.rollback()
        loader.join()
    assert shown(db) == {"2017-12-02"}


def test_a_second_delivery_waits_and_then_says_so(shop, db, server, tmp_path):
    furnish(shop, "2017-12-01/1")
    with psycopg.connect(server.url) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('nightshelf:nightshelf', 0))")
        with pytest.raises(WarehouseLocked, match="another delivery into it is under way"):
            bring(shop, tmp_path, wait_seconds=0.2)


def test_two_deliveries_at_once_make_one_load(shop, db, tmp_path):
    furnish(shop, "2017-12-01/1")
    told = []
    both = [threading.Thread(target=lambda: told.append(bring(shop, tmp_path))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(told) == [
        "had night 2017-12-01/1 already",
        f"night 2017-12-01/1, {len(TABLES)} tables, {24 * len(TABLES):,} rows",
    ]


# ------------------------------------------------------------------ death


@pytest.mark.parametrize("point", range(POINTS))
def test_a_server_killed_in_a_load_shows_the_old_night_and_then_the_new_one(
    shop, db, server, tmp_path, monkeypatch, point
):
    """The points are spread over all that the loader asks of the server."""
    furnish(shop, "2017-12-01/1", 200)
    bring(shop, tmp_path)
    furnish(shop, "2017-12-02/1", 200)
    asked, fatal = 0, 2 + point * 84 // max(POINTS - 1, 1)
    execute, copy = psycopg.Connection.execute, psycopg.Cursor.copy

    def counted(function):
        def inner(*given, **named):
            nonlocal asked
            asked += 1
            if asked == fatal:
                server.kill()
            return function(*given, **named)

        return inner

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", counted(execute))
        patched.setattr(psycopg.Cursor, "copy", counted(copy))
        with pytest.raises(
            StorageError, match=r"(?s)sink.postgres: .*run `nightshelf publish` again"
        ):
            bring(shop, tmp_path)
    server.start()
    with psycopg.connect(server.url) as after:
        assert shown(after) == {"2017-12-01"}
    assert bring(shop, tmp_path).startswith("night 2017-12-02/1")
    with psycopg.connect(server.url) as after:
        assert shown(after) == {"2017-12-02"}
        assert len(tables(after)) == len(TABLES) + 1


def test_a_server_that_is_not_there_is_told_and_the_password_is_not(shop, tmp_path, monkeypatch):
    furnish(shop, "2017-12-01/1")
    for url in (
        "postgresql://shop:hunter2@127.0.0.1:1/db",
        "postgresql://shop:hunter2@@127.0.0.1:1/db",
        "postgresql://shop:hunter2/x@127.0.0.1/db",
        "hunter2",
        "postgresql://shop:hun%ter2@127.0.0.1/db",
    ):
        monkeypatch.setenv(URL, url)
        with pytest.raises(
            Exception, match="The files of night 2017-12-01/1 are published"
        ) as caught:
            bring(shop, tmp_path)
        assert "hunter2" not in str(caught.value) and "hun%ter2" not in str(caught.value)
