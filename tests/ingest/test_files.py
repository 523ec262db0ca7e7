"""Files: whole ones are taken once, broken ones are named with the row and the way out."""

import gzip
import json
import os
import sqlite3
import tracemalloc

import duckdb
import pyarrow as pa
import pytest

from nightshelf.errors import InputError
from nightshelf.ingest import readers, run
from nightshelf.ingest.files import inspect, is_on_the_way
from nightshelf.ingest.ledger import Ledger
from nightshelf.ingest.run import ingest
from tests.support.landing import GOOD, HEADER, MAP, Landing

TEXT = "\n".join([HEADER, *[GOOD.replace("10:00:00", f"10:00:{n:02d}") for n in range(50)], ""])
AGAIN = "Copy the file again from where it was made, then rerun."


def jsonl(text: str = TEXT) -> str:
    names, *rows = (line.split(",") for line in text.splitlines())
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def zstd(text: str) -> bytes:
    return pa.Codec("zstd").compress(text.encode(), asbytes=True)


def parquet(path, text: str = TEXT, types: str = "varchar") -> bytes:
    names, *rows = (line.split(",") for line in text.splitlines())
    columns = ", ".join(f'"{n}" {types if n == "n" else "varchar"}' for n in names)
    with duckdb.connect() as db:
        db.execute(f"create table t ({columns})")
        db.executemany(f"insert into t values ({', '.join('?' * len(names))})", rows)
        db.execute(f"copy t to '{path}' (format parquet)")
    return path.read_bytes()


@pytest.mark.parametrize(
    "kind",
    [
        "csv",
        "csv.gz",
        "csv.zst",
        "jsonl",
        "ndjson.gz",
        "jsonl.zst",
        "parquet",
        "many members.csv.gz",
        "many frames.csv.zst",
    ],
)
def test_every_format_gives_the_same_rows(landing, tmp_path, kind):
    content = {
        "csv": TEXT, "csv.gz": TEXT, "jsonl": jsonl(), "ndjson.gz": jsonl(),
        "csv.zst": zstd(TEXT), "jsonl.zst": zstd(jsonl()),
        "many frames.csv.zst": zstd(TEXT[:700]) + zstd(TEXT[700:]),
        "parquet": parquet(tmp_path / "t.parquet"),
        "many members.csv.gz": gzip.compress(TEXT[:700].encode()) + gzip.compress(TEXT[700:].encode()),
    }  # fmt: skip
    landing.put(f"a.{kind}", content[kind])
    taken = landing.ingest()
    assert (taken.rows_read, taken.accepted) == (50, 50)
    assert landing.events("row_number, item_id, user_id, quantity, price::varchar, event_type, second(occurred_at)") == [
        (n + 1, "tea", "ann", 2, "1.5000", "purchase", n) for n in range(50)
    ]  # fmt: skip


BROKEN = {
    "cut in a line": ("a.csv", TEXT[:-9], "orders/a.csv, row 50: the file was cut in the middle of this row (5 of 6 values, no line end)", AGAIN),
    "cut in a quote": ("a.csv", TEXT + '2015-05-01,"te', "orders/a.csv, row 51: the file was cut in the middle of this row (a quote is open, no line end)", AGAIN),
    "cut in a character": ("a.csv", TEXT.encode() + GOOD[:-4].encode() + b"\xc3", "orders/a.csv, row 51: the file was cut in the middle", AGAIN),
    "cut in a JSON line": ("a.jsonl", jsonl()[:-9], "orders/a.jsonl, row 50: the file was cut in the middle of this row (its JSON is not whole, no line end)", AGAIN),
    "cut in a JSON character": ("a.jsonl", jsonl().encode() + b'{"when": "\xc3', "orders/a.jsonl, row 51: the file was cut in the middle", AGAIN),
    "a quote never closed": ("a.csv", TEXT.replace("10:00:07,tea", '10:00:07,"tea'), "orders/a.csv, row 8: a quote is opened and never closed, and 43 lines are in it", "Close the quote"),
    "cut gzip": ("a.csv.gz", gzip.compress(TEXT.encode())[:-20], "orders/a.csv.gz: the gzip stream ends early after line ", AGAIN),
    "cut gzip sum": ("a.csv.gz", gzip.compress(TEXT.encode())[:-3], "orders/a.csv.gz: the gzip stream ends early after line 51", AGAIN),
    "flipped bit in gzip": ("a.csv.gz", bytes([*(g := gzip.compress(TEXT.encode(), mtime=0))[:-6], g[-6] ^ 1, *g[-5:]]), "orders/a.csv.gz: the gzip stream is damaged (Error -3 while decompressing data: incorrect data check)", AGAIN),
    "no gzip at all": ("a.csv.gz", b"\x1f\x8b" + TEXT.encode(), "orders/a.csv.gz: the gzip stream is damaged", AGAIN),
    "cut zstd": ("a.csv.zst", zstd(TEXT)[:-20], "orders/a.csv.zst: the zstd stream ends early after line ", AGAIN),
    "damaged zstd": ("a.csv.zst", zstd(TEXT)[:20] + b"!!!!" + zstd(TEXT)[24:], "orders/a.csv.zst: the zstd stream is damaged", AGAIN),
    "gzip called CSV": ("a.csv", gzip.compress(TEXT.encode()), "orders/a.csv: its ending says text, its first bytes are gzip", "Give it the ending"),
    "CSV called gzip": ("a.csv.gz", TEXT + " ", "orders/a.csv.gz: its ending says gzip, its first bytes are text", "Give it the ending"),
    "zstd called gzip": ("a.csv.gz", zstd(TEXT), "orders/a.csv.gz: its ending says gzip, its first bytes are zstd", "Give it the ending"),
    "Parquet called CSV": ("a.csv", b"PAR1" + TEXT.encode(), "orders/a.csv: its ending says text, its first bytes are parquet", "Give it the ending"),
    "a zip": ("a.csv", b"PK\x03\x04" + TEXT.encode(), "orders/a.csv: its ending says text, its first bytes are zip", "unpack a .zip"),
    "JSON Lines called CSV": ("a.csv", jsonl(), "orders/a.csv, row 1: no column 'when'", "name it .jsonl"),
    "empty": ("a.csv", "", "orders/a.csv: the file is empty, it has not even a header", "leave the header line in it"),
    "empty gzip": ("a.csv.gz", gzip.compress(b""), "orders/a.csv.gz: the file is empty", "leave the header line"),
    "a blank header": ("a.csv", "\n" + TEXT, "orders/a.csv, row 1: no column names", "with its header line"),
    "a header of Latin-1": ("a.csv", TEXT.replace("sku", "sk\xfc").encode("latin-1"), "orders/a.csv, row 1: the header is not UTF-8", "UTF-8"),
    "another schema": ("a.csv", TEXT.replace("sku", "article"), "orders/a.csv, row 1: no column 'sku'; the file has 'when', 'article', 'who'", "mend this source's adapter or columns"),
    "a column twice": ("a.csv", TEXT.replace("who", "SKU"), "orders/a.csv, row 1: column 'sku' stands twice; capitals do not tell", "one name"),
    "an unknown ending": ("a.xlsx", TEXT, "orders/a.xlsx: cannot tell what kind of file 'a.xlsx' is", "Name it .csv, .jsonl or .parquet"),
    "no ending": ("orders", TEXT, "orders/orders: cannot tell what kind of file", "Name it"),
    "zipped Parquet": ("a.parquet.gz", TEXT, "orders/a.parquet.gz: cannot tell what kind of file", "the first two also .gz or .zst"),
    "no Parquet": ("a.parquet", TEXT, "orders/a.parquet: not a whole Parquet file", AGAIN),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "told", "way_out"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_and_the_good_ones_beside_it_are_taken(
    landing, name, content, told, way_out
):
    landing.put("0 before.csv", TEXT)
    landing.put(name, content)
    landing.put("z after.csv.gz", TEXT)
    with pytest.raises(InputError) as caught:
        landing.ingest()
    assert told in caught.value.what
    assert way_out in caught.value.next_step
    taken = {f.name: f.accepted for f in landing.ledger.files()}
    assert taken == {"orders/0 before.csv": 50, "orders/z after.csv.gz": 50}


def test_a_cut_parquet_file_is_refused(landing, tmp_path):
    landing.put("a.parquet", parquet(tmp_path / "t.parquet")[:-40])
    with pytest.raises(InputError, match="orders/a.parquet: not a whole Parquet file"):
        landing.ingest()


def test_a_file_copied_again_after_it_was_refused_is_taken(landing):
    landing.put("a.csv", TEXT[:-9])
    with pytest.raises(InputError):
        landing.ingest()
    landing.put("a.csv", TEXT)
    assert landing.ingest().accepted == 50


def test_several_broken_files_are_named_together(landing):
    landing.put("a.csv", "")
    landing.put("b.csv", TEXT[:-9])
    landing.put("c.csv", TEXT)
    with pytest.raises(
        InputError,
        match="(?s)2 landing files cannot be taken \\(1 others were\\).*a.csv.*b.csv, row 50",
    ):
        landing.ingest()


def test_an_unreadable_file_is_named(landing):
    landing.put("a.csv", TEXT)
    (landing.folder / "orders" / "b.csv").symlink_to("/proc/self/mem")
    with pytest.raises(
        InputError, match="orders/b.csv: cannot be read \\(Input/output error\\)|orders/b.csv"
    ):
        landing.ingest()
    assert [f.name for f in landing.ledger.files()] == ["orders/a.csv"]


def test_no_matching_file_names_the_source_and_the_other_sources_are_taken(tmp_path):
    empty = MAP | {"name": "web", "path": "web/*.csv"}
    landing = Landing(tmp_path, [empty, MAP])
    landing.put("a.csv", TEXT)
    with pytest.raises(
        InputError, match="Source 'web': no file matches .*/landing/web/\\*.csv"
    ) as caught:
        landing.ingest()
    assert "mend `path` or `landing`" in caught.value.next_step
    assert [f.accepted for f in landing.ledger.files()] == [50]


def test_a_file_that_is_written_to_while_it_is_read_is_left_for_the_next_run(
    landing, monkeypatch, capsys
):
    path = landing.put("a.csv", TEXT)
    landing.put("b.csv", TEXT)
    finish = run.Taking.finish

    def slowly(taking, files):
        if path.stat().st_size == len(TEXT):
            with path.open("a") as file:
                file.write(GOOD + "\n")
        return finish(taking, files)

    monkeypatch.setattr(run.Taking, "finish", slowly)
    assert landing.ingest().left == ("orders/a.csv",)
    assert (
        "orders/a.csv is still being written; it is left for the next run."
        in capsys.readouterr().out
    )
    assert [f.name for f in landing.ledger.files()] == ["orders/b.csv"]
    assert len(landing.events()) == 50
    assert landing.ingest().accepted == 51


def test_a_file_that_somebody_has_open_for_writing_is_left_for_the_next_run(landing):
    path = landing.put("a.csv", TEXT)
    landing.put("b.csv.part", TEXT)
    landing.put(".c.csv.x7Yz", TEXT)
    with path.open("a") as file:
        if not is_on_the_way(path):
            pytest.skip("this file system grants no leases, so nobody can see who writes")
        taken = landing.ingest()
        assert (taken.files, sorted(taken.left)) == (
            0, ["orders/.c.csv.x7Yz", "orders/a.csv", "orders/b.csv.part"]
        )  # fmt: skip
        file.write(GOOD + "\n")
    assert landing.ingest().accepted == 51


def test_a_file_that_is_gone_is_told_and_its_rows_are_kept(landing, capsys):
    paths = [landing.put(f"{n}.csv", [GOOD]) for n in range(5)]
    landing.ingest()
    for path in paths[1:]:
        path.unlink()
    assert landing.ingest().unchanged == 1
    told = capsys.readouterr().out
    assert (
        "Source 'orders': 4 files are gone from landing/ since they were taken (orders/1.csv,"
        " orders/2.csv, orders/3.csv and 1 more); their rows are kept." in told
    )
    assert len(landing.events()) == 5


def test_what_is_no_file_any_more_is_neither_gone_nor_outside_its_path(landing, capsys):
    paths = [landing.put(f"{n}.csv", [GOOD]) for n in range(4)]
    landing.ingest()
    for path in paths[1:]:
        path.unlink()
    paths[1].mkdir()
    os.mkfifo(paths[2])
    paths[3].symlink_to(paths[3].name)
    landing.ingest()
    told = capsys.readouterr().out
    assert "3 files that were taken are no files any more" in told
    assert "gone" not in told and "does not match" not in told
    assert len(landing.events()) == 4


def test_a_landing_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(landing, monkeypatch):
    landing.put("a.csv", TEXT)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="landing folder .* cannot be read") as told:
        landing.ingest()
    assert "read what is in it" in told.value.next_step


def test_files_that_its_path_matches_no_more_are_no_gone_files(tmp_path, capsys):
    landing = Landing(tmp_path)
    for name in ("a.csv", "b.csv", "c.csv"):
        landing.put(name, [GOOD])
    landing.ingest()
    (landing.folder / "orders" / "c.csv").unlink()
    narrower = Landing(tmp_path, [MAP | {"path": "orders/a*.csv"}])
    capsys.readouterr()
    narrower.ingest()
    told = " ".join(capsys.readouterr().out.split())
    assert "1 files are gone from landing/ since they were taken (orders/c.csv)" in told
    assert "its path does not match 1 files any more that were taken (orders/b.csv)" in told
    assert "Give the source another name" in told
    assert len(narrower.events("1")) == 3


def test_files_that_no_source_asks_for_are_told(landing, capsys):
    landing.put("a.csv", [GOOD])
    (landing.folder / "catalogue.xml").write_text("<xml/>")
    landing.ingest()
    assert (
        "Warning: 1 files in landing/ match no source of the shop file (catalogue.xml); nothing of"
        " them is taken." in capsys.readouterr().out
    )


def test_a_gzip_file_is_unpacked_by_the_block_however_much_is_in_it(tmp_path):
    path, rows = tmp_path / "a.csv.gz", GOOD.encode() + b"\n"
    members = gzip.compress(HEADER.encode() + b"\n"), gzip.compress(rows * 900_000)
    path.write_bytes(b"".join(members) + gzip.compress(b""))
    tracemalloc.start()
    found = inspect(path, "a.csv.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.lines, found.content_size) == (900_001, len(HEADER) + 1 + 900_000 * len(rows))
    assert found.ends_with_newline
    assert peak < found.content_size / 4


def test_a_header_without_rows_is_a_day_without_events(landing):
    landing.put("a.csv", HEADER + "\n")
    landing.put("b.jsonl.gz", "\n")
    taken = landing.ingest()
    assert (taken.files, taken.rows_read) == (2, 0)
    assert landing.events() == []


WHOLE = {
    "a byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "CRLF": TEXT.replace("\n", "\r\n").encode(),
    "mixed line ends": TEXT.replace("\n", "\r\n", 9).encode(),
    "CR": TEXT.replace("\n", "\r").encode(),
    "blank lines": TEXT.replace("\n", "\n\n").encode(),
    "no end of the last line": TEXT[:-1].encode(),
    "quotes around all": ("\n".join('"' + line.replace(",", '","') + '"' for line in TEXT.splitlines()) + "\n").encode(),
    "blanks around quotes": TEXT.replace(",ann,", ' , "ann" ,').encode(),
    "blanks after the header's names": TEXT.replace(",", " ,", 5).encode(),
    "a nameless column": "\n".join(f"{n or ''},{line}" for n, line in enumerate(TEXT.splitlines())).encode() + b"\n",
    "a column called filename": "\n".join(line + (",x" if n else ",filename") for n, line in enumerate(TEXT.splitlines())).encode() + b"\n",
    "other columns": "\n".join("x{y}," + line for line in TEXT.splitlines()).encode() + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
def test_ways_to_write_the_same_rows(landing, content):
    landing.put("a.csv", content)
    assert landing.ingest().quarantined == 0
    assert landing.events("row_number, item_id, user_id, second(occurred_at)") == [
        (n + 1, "tea", "ann", n) for n in range(50)
    ]


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
def test_the_careful_reader_agrees_with_the_fast_one(tmp_path, content):
    """The same good rows, once alone and once before a row that makes DuckDB refuse the file."""
    fast, careful = Landing(tmp_path / "fast"), Landing(tmp_path / "careful")
    what = "row_number, item_id, user_id, quantity, price, occurred_at, event_id"
    fast.put("a.csv", content)
    end = b"" if content.endswith((b"\n", b"\r")) else b"\n"
    careful.put("a.csv", content + end + b'bad,"q"uote\n')
    fast.ingest()
    assert careful.ingest().quarantined == 1
    assert careful.events(what) == fast.events(what)


def test_quoted_line_breaks_and_quotes_are_part_of_the_value(landing):
    row = '2015-05-01 10:00:00,"two\r\nlines, one ""tea""",ann,1,1,sale'
    landing.put("a.csv", [row, GOOD])
    landing.put("b.csv", [row, GOOD, "short"])
    assert landing.ingest().quarantined == 1
    assert landing.events("row_number, item_id") == [(1, 'two\r\nlines, one "tea"'), (2, "tea")] * 2


def test_a_whole_last_line_without_an_end_is_taken_with_a_warning(landing, capsys):
    landing.put("a.csv", TEXT[:-1])
    assert landing.ingest().accepted == 50
    assert (
        "Warning: orders/a.csv ends without a line end; its last row may be cut."
        in capsys.readouterr().out
    )


def test_a_whole_last_json_line_without_an_end_is_taken(landing):
    landing.put("a.jsonl", jsonl()[:-1])
    assert landing.ingest().accepted == 50


@pytest.mark.parametrize("longest", [1 << 24, 1 << 16], ids=["DuckDB's reader", "Python's"])
def test_a_very_long_line_is_a_row_like_another(landing, monkeypatch, longest):
    """Longer than the usual buffer, and longer than any."""
    monkeypatch.setattr(readers, "USUAL_LINE", 1 << 16)
    monkeypatch.setattr(readers, "LONGEST_ROW", longest)
    row = GOOD + ',"' + "t" * 3_000_000 + '"'
    landing.put("a.csv", "\n".join([HEADER + ",note", GOOD + ",", row, GOOD + ",", ""]))
    assert landing.ingest().accepted == 3


def test_a_file_named_like_a_pattern_is_that_file_only(landing):
    landing.put("day[1].csv", [GOOD])
    landing.put("day1.csv", [GOOD, GOOD])
    landing.put("d*.csv", [GOOD, GOOD, GOOD])
    landing.put("it's {x}%.csv", [GOOD])
    landing.ingest()
    assert {f.name: f.rows_read for f in landing.ledger.files()} == {
        "orders/day[1].csv": 1, "orders/day1.csv": 2, "orders/d*.csv": 3, "orders/it's {x}%.csv": 1
    }  # fmt: skip


def test_parquet_files_of_other_types_are_not_cast_to_each_other(landing, tmp_path):
    landing.put("a.parquet", parquet(tmp_path / "t", f"{HEADER}\n{GOOD}\n", "integer"))
    landing.put(
        "b.parquet",
        parquet(tmp_path / "t", f"{HEADER}\n{GOOD.replace(',2,', ',7,')}\n", "decimal(9,2)"),
    )
    landing.put(
        "c.parquet", parquet(tmp_path / "t", f"{HEADER}\n{GOOD.replace(',2,', ',many,')}\n")
    )
    landing.ingest()
    assert sorted(landing.events("quantity")) == [(2,), (7,)]
    assert landing.quarantine() == [(1, "bad_number")]


def test_json_keys_may_be_nested_and_of_any_letters(tmp_path):
    source = MAP | {"columns": MAP["columns"] | {"user_id": "kunde.schlüssel", "item_id": 'a "b"'}}
    landing = Landing(tmp_path, [source])
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    landing.put("a.jsonl", json.dumps(row | {"kunde": {"schlüssel": "zoë"}, 'a "b"': 7}))
    assert landing.ingest().accepted == 1
    assert landing.events("user_id, item_id") == [("zoë", "7")]


def test_the_same_file_again_adds_nothing(landing):
    landing.put("a.csv", TEXT)
    landing.ingest()
    before = landing.events()
    os.utime(landing.put("a.csv", TEXT), (0, 0))
    again = landing.ingest()
    assert (again.files, again.unchanged, again.rows_read) == (0, 1, 0)
    assert landing.events() == before


def test_a_restated_file_replaces_its_rows_and_the_ledger_shows_both(landing):
    landing.put("a.csv", TEXT)
    landing.put("b.csv", [GOOD])
    landing.ingest()
    landing.put("a.csv", [GOOD.replace("tea", "pot")])
    taken = landing.ingest()
    assert taken.restated == ("orders/a.csv of 'orders'",)
    assert sorted(landing.events("item_id")) == [("pot",), ("tea",)]
    assert [
        (f.name, f.accepted, bool(f.replaced_by)) for f in landing.ledger.files(current=False)
    ] in (
        [("orders/a.csv", 50, True), ("orders/a.csv", 1, False), ("orders/b.csv", 1, False)],
        [("orders/a.csv", 1, False), ("orders/a.csv", 50, True), ("orders/b.csv", 1, False)],
    )


def test_a_content_that_comes_back_is_there_once(landing):
    landing.put("a.csv", TEXT)
    landing.put("b.csv", [GOOD])
    landing.ingest()
    before = landing.events()
    landing.put("a.csv", [GOOD])
    landing.ingest()
    landing.put("a.csv", TEXT)
    assert landing.ingest().restated == ("orders/a.csv of 'orders'",)
    assert landing.events() == before
    assert landing.ingest().unchanged == 2


def test_a_mended_mapping_reads_refused_rows_again(tmp_path):
    landing = Landing(tmp_path, [MAP | {"event_types": {}}])
    landing.put("a.csv", [GOOD])
    assert landing.ingest().quarantined == 1
    mended = Landing(tmp_path, [MAP])
    assert mended.ingest().accepted == 1
    assert mended.events("event_type") == [("purchase",)]


def test_one_file_may_feed_two_sources(tmp_path):
    items = {"name": "items", "adapter": "column_map", "kind": "items", "path": "orders/*",
             "columns": {"item_id": "sku", "price": "price"}}  # fmt: skip
    landing = Landing(tmp_path, [MAP, items])
    landing.put("a.csv", TEXT)
    assert landing.ingest().files == 2
    assert len(landing.events()) == len(landing.events(kind="items")) == 50


@pytest.mark.parametrize("moment", ["before the ledger", "before the parts"])
def test_a_killed_ingest_is_swept_and_ends_equal(tmp_path, landing, monkeypatch, moment):
    landing.put("a.csv", [*TEXT.splitlines()[1:], "never,tea,ann,1,1,sale"])
    whole = Landing(tmp_path / "whole")
    whole.put("a.csv", (landing.folder / "orders" / "a.csv").read_bytes())
    whole.ingest()

    def die(*given):
        raise SystemExit(9)

    with monkeypatch.context() as killed:
        target = (
            (Ledger, "commit") if moment == "before the ledger" else (run.Taking, "_write_refused")
        )
        killed.setattr(*target, die)
        with pytest.raises(SystemExit):
            landing.ingest()
    assert landing.ledger.files() == []
    assert list(landing.home.raw.rglob("*.parquet"))
    assert landing.events() == []
    stray = landing.home.raw / "events" / "stray"
    stray.mkdir()
    landing.ingest()
    assert not stray.exists()
    assert landing.events() == whole.events()
    assert landing.quarantine("*") == whole.quarantine("*")


def test_what_is_left_behind_is_swept_also_when_nothing_is_new(landing):
    landing.put("a.csv", TEXT)
    landing.ingest()
    (landing.home.raw / "events" / "stray").mkdir()
    (landing.home.quarantine).mkdir(exist_ok=True)
    (landing.home.quarantine / "stray.parquet").touch()
    ingest(landing.shop, landing.folder, landing.home, _Silent())
    assert not (landing.home.raw / "events" / "stray").exists()
    assert not (landing.home.quarantine / "stray.parquet").exists()
    assert len(landing.events()) == 50


class _Silent:
    def advance(self, message):
        pass

    say = advance


def test_a_source_that_leaves_the_shop_file_is_left_out_and_told_and_comes_back(tmp_path, capsys):
    landing = Landing(tmp_path)
    landing.put("a.csv", TEXT)
    landing.ingest()
    renamed = Landing(tmp_path, [MAP | {"name": "sales"}])
    assert renamed.ingest().accepted == 50
    assert (
        "Source 'orders' is no longer in the shop file: its 1 files are left out."
        in capsys.readouterr().out
    )
    assert renamed.events("distinct source, file_id, row_number")[0][0] == "sales"
    assert len(renamed.events()) == 50
    assert sum(len(files) for files in renamed.ledger.days().values()) == 1
    back = Landing(tmp_path)
    back.ingest()
    assert {r[0] for r in back.events("source")} == {"orders"}
    assert len(back.events()) == 50


def test_a_file_that_goes_while_it_is_read_is_left_and_the_others_are_taken(landing, monkeypatch):
    path = landing.put("a.csv", TEXT)
    landing.put("b.csv", TEXT)
    inspect = run.inspect

    def slowly(found, name, delimiter):
        if found == path and path.exists():
            path.unlink()
        return inspect(found, name, delimiter)

    monkeypatch.setattr(run, "inspect", slowly)
    assert landing.ingest().accepted == 50
    assert [f.name for f in landing.ledger.files()] == ["orders/b.csv"]


def test_a_file_name_that_is_not_utf8_is_refused_by_name(landing):
    landing.put("a.csv", TEXT)
    os.rename(landing.put("b.csv", TEXT), os.fsencode(landing.folder / "orders") + b"/bad\xff.csv")
    with pytest.raises(InputError, match=r"orders/bad.udcff.csv: its name is not UTF-8"):
        landing.ingest()
    assert [f.name for f in landing.ledger.files()] == ["orders/a.csv"]


def test_a_bad_last_row_of_a_file_with_cr_line_ends_is_one_bad_row(landing):
    landing.put("a.csv", (TEXT + "short\n").replace("\n", "\r"))
    taken = landing.ingest()
    assert (taken.accepted, taken.quarantined) == (50, 1)


def test_a_column_of_json_that_no_record_has_is_told(tmp_path, capsys):
    source = MAP | {"columns": MAP["columns"] | {"coupon": "cupon"}}
    landing = Landing(tmp_path, [source])
    landing.put("a.jsonl", jsonl())
    landing.ingest()
    told = "Warning: source 'orders': no record has a value in 'cupon'; is it spelt so?"
    assert told in capsys.readouterr().out


def test_a_ledger_that_cannot_be_opened_is_named(landing):
    from nightshelf.errors import StorageError

    landing.home.ledger.mkdir(parents=True)
    with pytest.raises(StorageError, match=r"ledger\.sqlite cannot be opened: unable to open"):
        landing.ingest()


def test_a_ledger_that_lost_its_parts_is_not_believed(landing):
    from datetime import date
    from zoneinfo import ZoneInfo

    from nightshelf.errors import StorageError
    from nightshelf.night import Night
    from nightshelf.pinned.inputs import pin

    landing.put("a.csv", TEXT)
    landing.ingest()
    with sqlite3.connect(landing.home.ledger) as db:
        db.execute("drop table parts")
    night = Night(date(2015, 5, 3), ZoneInfo("UTC"))
    attempt = landing.home.attempt(night.date, 1)
    attempt.root.mkdir(parents=True)
    with pytest.raises(StorageError, match="does not agree with itself"):
        pin(attempt, night)
