"""What the tables of `test_examples.py` cannot show: restated days, Parquet, nonsense, whole logs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import pytest

from nightshelf.ingest.adapters import adapters
from nightshelf.paths import PROJECT
from tests.support.examples import Example, given, refused
from tests.support.landing import Landing

FIXTURES = PROJECT / "tests" / "ingest" / "fixtures"
DATA = Path(
    os.environ.get("NIGHTSHELF_SHARED_DATA") or PROJECT.parent / "shared" / "data"
).absolute()


def landing_of(root: Path, adapter: str, path: str) -> Landing:
    return Landing(root, [{"name": "source", "adapter": adapter, "path": path}])


def put(landing: Landing, name: str, content: bytes | str) -> Path:
    path = landing.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Names


@pytest.mark.parametrize("module", ["ga4", "segment", "snowplow"])
def test_no_name_is_both_an_event_of_the_contract_and_set_aside(module):
    schema = pytest.importorskip(f"nightshelf.ingest.adapters.schemas.{module}")
    assert not {n.lower() for n in schema.NAMES} & {n.lower() for n in schema.NOT_FOR_SHELVES}
    assert len(schema.NOT_FOR_SHELVES) == len(set(schema.NOT_FOR_SHELVES))


# Nonsense

NONSENSE = ['"none"', "5", "[]", "[1]", "{}", '{"id": 1}', "[null]", "null", "[[1]]", '"[\\""', "true",
            '[{"id": {"id": []}, "key": 1, "value": "x"}]', "1e400"]  # fmt: skip
JSON_ADAPTERS = [n for n, a in adapters().items() if a.unfold or any("." in c for c in a.columns)]


@pytest.mark.parametrize("name", JSON_ADAPTERS)
def test_nonsense_in_any_field_is_a_row_and_never_a_crash(name, tmp_path):
    adapter = adapters()[name]
    lists = {"items", "properties", "productDetails", "refunds", "events"}
    fields = sorted({c.split(".")[0] for c in adapter.columns if c[:2] != "[]"} | lists)
    lines = [
        "{" + ", ".join(f"{json.dumps(f)}: {value}" for f in fields) + "}" for value in NONSENSE
    ]
    lines += ["word", '{"id": 1, "line_items": [', "[1, 2]", "{}"]
    # One field at a time, too: a line that is aside at once proves nothing.
    lines += [f"{{{json.dumps(f)}: {value}}}" for f in fields for value in NONSENSE]
    landing = landing_of(tmp_path, name, "*.jsonl")
    put(landing, "nonsense.jsonl", "\n".join(lines) + "\n")
    landing.ingest()
    (file,) = landing.ledger.files()
    assert file.rows_read == file.accepted + file.quarantined >= len(lines)


# GA4


def ga4(root: Path) -> tuple[Example, Landing]:
    example = Example.read(FIXTURES / "ga4" / "README.md")
    return example, example.land(root)


def as_parquet(content: bytes, path: Path) -> bytes:
    """The lines with nested columns and integers, as BigQuery writes them."""
    lines = [line for line in content.decode().splitlines() if '"none"' not in line]
    source = path.with_suffix(".jsonl")
    source.write_text("\n".join(lines))
    duckdb.execute(
        f"copy (from read_json('{source}', format = 'newline_delimited', sample_size = -1))"
        f" to '{path}' (format parquet)"
    )
    return path.read_bytes()


def test_ga4_as_parquet_is_read_as_ga4_as_json_lines(tmp_path):
    example, lines = ga4(tmp_path / "lines")
    (content,) = example.files.values()
    nested = landing_of(tmp_path / "nested", "ga4", "*.parquet")
    put(nested, "events_20260301.parquet", as_parquet(content, tmp_path / "events.parquet"))
    nested.ingest()

    def without_id(rows: list[dict]) -> list[dict]:
        return [{k: v for k, v in r.items() if k not in ("event_id", "source")} for r in rows]

    assert without_id(given(nested, "source")) == without_id(given(lines, "analytics"))
    # The line that has words for lists is no Parquet.
    assert refused(nested, "source") == refused(lines, "analytics")[:-1]


def test_a_restated_ga4_day_replaces_its_rows(tmp_path):
    landing = landing_of(tmp_path, "ga4", "events_*.jsonl")
    content = (FIXTURES / "ga4" / "ga4" / "events_20260301.jsonl").read_text()
    early, late = content.splitlines()[:6], content.splitlines()[:9]
    for lines in (early, late):
        put(landing, "events_20260301.jsonl", "\n".join(lines) + "\n")
        landing.ingest()
    kinds = [row["event_type"] for row in given(landing, "source")]
    assert kinds == ["list_view", "list_view", "click", "view", "cart_add", "login", "checkout",
                     "purchase", "purchase"]  # fmt: skip


# Complete Journey


def test_columns_that_an_adapter_can_do_without_may_be_missing(tmp_path):
    landing = landing_of(tmp_path, "complete_journey", "*.csv")
    put(landing, "a.csv", """household_id,basket_id,product_id,quantity,sales_value,transaction_timestamp
900,31198570044,1095275,2,1.00,2017-01-01 11:53:26
""")  # fmt: skip
    landing.ingest()
    (row,) = given(landing, "source")
    assert (row["item_id"], row["list_id"], row["coupon"]) == ("1095275", None, None)


# Shopify


def test_an_order_exported_again_keeps_the_ids_of_what_was_told_before(tmp_path):
    def order(lines: int, refunds: int) -> str:
        return json.dumps({
            "id": 1, "created_at": "2026-03-01T10:00:00Z", "customer": {"id": 7},
            "line_items": [{"id": 10 + n, "product_id": n, "quantity": 5, "price": "1.00"}
                           for n in range(lines)],
            "refunds": [{"created_at": "2026-03-02T10:00:00Z", "refund_line_items":
                         [{"id": 20 + n, "line_item_id": 10, "quantity": 1}]} for n in range(refunds)],
        }) + "\n"  # fmt: skip

    landing = landing_of(tmp_path, "shopify", "*.jsonl")
    put(landing, "monday.jsonl", order(lines=1, refunds=1))
    # An item was added, so that the refunds stand further down.
    put(landing, "tuesday.jsonl", order(lines=2, refunds=2))
    landing.ingest()
    ids = sorted(row["event_id"] for row in given(landing, "source"))
    assert ids == ["line/10", "line/10", "line/11", "refund/20", "refund/20", "refund/21"]


# Whole logs

RETAILROCKET = DATA / "retailrocket_sample" / "events.parquet"
OTTO = DATA / "otto_sample" / "sessions.jsonl"


def counts(landing: Landing) -> dict[str, int]:
    rows = [row["event_type"] for row in given(landing, "source")]
    return {kind: rows.count(kind) for kind in sorted(set(rows))}


@pytest.mark.skipif(
    not RETAILROCKET.exists(), reason=f"no {RETAILROCKET}; set NIGHTSHELF_SHARED_DATA"
)
def test_the_retailrocket_sample_is_read_wholly(tmp_path):
    landing = landing_of(tmp_path, "retailrocket_sample", "*.parquet")
    put(landing, "events.parquet", RETAILROCKET.read_bytes())
    taken = landing.ingest()
    assert (taken.accepted, taken.quarantined) == (5_169, 0)
    assert counts(landing) == {"cart_add": 377, "purchase": 60, "view": 4_732}
    assert len({row["anonymous_id"] for row in given(landing, "source")}) == 1_092


@pytest.mark.skipif(not OTTO.exists(), reason=f"no {OTTO}; set NIGHTSHELF_SHARED_DATA")
def test_the_otto_sample_is_read_wholly(tmp_path):
    landing = landing_of(tmp_path, "otto", "*.jsonl")
    put(landing, "sessions.jsonl", OTTO.read_bytes())
    taken = landing.ingest()
    assert (taken.accepted, taken.quarantined) == (862, 0)
    assert len({row["anonymous_id"] for row in given(landing, "source")}) == 20
