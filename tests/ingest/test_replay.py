"""Quarantined rows come back when the mapping is mended, and no row is counted twice for it."""

from __future__ import annotations

import csv
import json

import duckdb
import pytest

from nightshelf.ingest.replay import Replayed, replay
from nightshelf.progress import Progress
from tests.support.landing import GOOD, HEADER, MAP, Landing

GIFT = GOOD.replace("sale", "gift")
MENDED = MAP | {"event_types": {"sale": "purchase", "gift": "purchase"}}


def line(**other) -> str:
    return json.dumps(dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | other)


def replayed(root, source: dict) -> tuple[Landing, Replayed]:
    """What `quarantine --replay` does under the mapping of `source`."""
    landing = Landing(root, [source])
    landing.ingest()
    return landing, replay(landing.shop, landing.folder, landing.home, Progress("replay"))


def counts(landing: Landing) -> dict[str, tuple[int, int]]:
    files = landing.ledger.files(current=False)
    assert all(f.rows_read == f.accepted + f.quarantined for f in files)
    return {f.name: (f.accepted, f.quarantined) for f in files if f.replaced_by is None}


def test_a_replay_takes_in_what_a_mended_mapping_can_read_though_the_file_is_gone(tmp_path):
    two_lines = GOOD.replace("tea", '"tea, ""cold"""')
    landing = Landing(tmp_path)
    paths = [
        landing.put("a.csv", [GOOD, GIFT, two_lines.replace("sale", "gift"), "never,x,y,1,1,gift", "short"]),
        landing.put("b.jsonl", "\n".join([line(), line(kind="gift"), "no json", ""])),
    ]  # fmt: skip
    landing.put("c.csv", [GOOD])
    landing.ingest()
    for path in paths:
        path.unlink()
    mended = Landing(tmp_path, [MAP | {"event_types": {"sale": "purchase", "gift": "purchase"}}])
    mended.ingest()
    before = {f.name: (f.accepted, f.quarantined) for f in mended.ledger.files()}
    assert before == {"orders/a.csv": (1, 4), "orders/b.jsonl": (1, 2), "orders/c.csv": (1, 0)}
    done = replay(mended.shop, mended.folder, mended.home, Progress("replay"))
    assert (done.files, done.read_again, done.accepted) == (2, 4, 3)
    after = {f.name: (f.accepted, f.quarantined) for f in mended.ledger.files()}
    assert after == {"orders/a.csv": (3, 2), "orders/b.jsonl": (2, 1), "orders/c.csv": (1, 0)}
    assert all(
        f.rows_read == f.accepted + f.quarantined for f in mended.ledger.files(current=False)
    )
    ids = {f.name: f.file_id for f in mended.ledger.files()}
    left = {r for r in mended.quarantine("file_id, line, reason, raw") if r[0] in ids.values()}
    assert left == {
        (ids["orders/a.csv"], 5, "bad_time", "never,x,y,1,1,gift"),
        (ids["orders/a.csv"], 6, "wrong_column_count", "short"),
        (ids["orders/b.jsonl"], 3, "not_json", "no json"),
    }
    items = mended.events("file_id, row_number, item_id")
    assert [r[1:] for r in items if r[0] == ids["orders/a.csv"]] == [
        (1, "tea"), (2, "tea"), (3, 'tea, "cold"')
    ]  # fmt: skip
    assert len(items) == 6
    again = replay(mended.shop, mended.folder, mended.home, Progress("replay"))
    assert (again.files, again.accepted) == (0, 0)


def test_a_replay_there_and_back_keeps_what_was_taken_in(tmp_path):
    """Back under the first mapping, with a row still refused: the ledger knows that file already."""
    landing = Landing(tmp_path)
    path = landing.put("a.csv", [GOOD, GIFT, GOOD.replace("sale", "loan")])
    landing.ingest()
    assert counts(landing) == {"orders/a.csv": (1, 2)}
    path.unlink()
    for source in (MENDED, MAP, MENDED, MENDED):
        landing, _ = replayed(tmp_path, source)
        assert counts(landing) == {"orders/a.csv": (2, 1)}
    assert len(landing.events()) == 2


def test_a_replay_by_a_mapping_that_reads_less_and_then_more_ends_with_all(tmp_path):
    landing = Landing(tmp_path)
    path = landing.put("a.csv", [GOOD, GIFT, GOOD.replace("sale", "loan")])
    landing.ingest()
    path.unlink()
    loans = MAP | {"event_types": {"sale": "purchase", "loan": "purchase"}}
    both = MAP | {"event_types": MENDED["event_types"] | {"loan": "purchase"}}
    for source, found in ((MENDED, (2, 1)), (loans, (3, 0)), (both, (3, 0)), (MAP, (3, 0))):
        landing, _ = replayed(tmp_path, source)
        assert counts(landing) == {"orders/a.csv": found}


def test_a_file_that_comes_back_after_a_replay_is_read_whole_by_the_new_mapping(tmp_path):
    landing = Landing(tmp_path)
    path = landing.put("a.csv", [GOOD, GIFT])
    landing.ingest()
    content = path.read_bytes()
    path.unlink()
    other = MENDED | {"columns": MAP["columns"] | {"user_id": "sku", "item_id": "who"}}
    landing, done = replayed(tmp_path, other)
    assert done.accepted == 1
    assert sorted(landing.events("item_id")) == [("ann",), ("tea",)]
    path.write_bytes(content)
    assert landing.ingest().accepted == 2
    assert landing.events("item_id") == [("ann",), ("ann",)]
    assert counts(landing) == {"orders/a.csv": (2, 0)}


def test_flat_parquet_is_replayed_by_its_columns_names_as_it_was_read(tmp_path):
    source = MAP | {"columns": MAP["columns"] | {"user_id": "u.id", "query": 'a "b"'}}
    landing = Landing(tmp_path, [source])
    duckdb.execute(f'''copy (
        select '2015-05-01 10:00:00' as "when", 1e17::double as "a ""b""", ['tea'] as sku, 7.0 as n,
            kind, 12.5 as price, 5.0::double as "u.id"
        from (values ('sale'), ('gift')) as t(kind)) to '{tmp_path}/t.parquet' (format parquet)''')
    path = landing.put("a.parquet", (tmp_path / "t.parquet").read_bytes())
    landing.ingest()
    assert counts(landing) == {"orders/a.parquet": (1, 1)}
    path.unlink()
    landing, done = replayed(tmp_path, source | {"event_types": MENDED["event_types"]})
    assert done.accepted == 1
    first, second = landing.events("item_id, user_id, query, price")
    assert first == second
    # A float that is a whole number is an id that pandas had to keep so.
    assert first[1] == "5"


def test_a_replayed_value_may_be_longer_than_pythons_csv_takes_by_itself(tmp_path):
    landing = Landing(tmp_path)
    head, long = HEADER + ",note", "x" * 300_000
    path = landing.put("a.csv", f"{head}\n{GOOD},\n{GIFT},{long}\n")
    landing.ingest()
    path.unlink()
    csv.field_size_limit(131_072)
    assert replayed(tmp_path, MENDED)[1].accepted == 1


def test_a_killed_replay_changes_nothing_and_can_be_done_again(tmp_path, monkeypatch):
    from nightshelf.ingest.ledger import Ledger

    landing = Landing(tmp_path)
    path = landing.put("a.csv", [GOOD, GIFT])
    landing.ingest()
    path.unlink()

    def die(*given):
        raise SystemExit(9)

    with monkeypatch.context() as killed:
        killed.setattr(Ledger, "commit", die)
        with pytest.raises(SystemExit):
            replayed(tmp_path, MENDED)
    assert counts(landing) == {"orders/a.csv": (1, 1)}
    assert len(landing.events()) == 1
    assert counts(replayed(tmp_path, MENDED)[0]) == {"orders/a.csv": (2, 0)}
