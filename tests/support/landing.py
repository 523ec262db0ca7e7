"""A shop made of landing files alone: write some, ingest, look at what became of the rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb

from nightshelf.ingest import run
from nightshelf.ingest.ledger import Ledger
from nightshelf.ingest.run import Taken, ingest
from nightshelf.paths import Home, ShopHome
from nightshelf.progress import Progress
from nightshelf.settings.shop import Shop

MAP = {
    "name": "orders",
    "adapter": "column_map",
    "path": "orders/*",
    "columns": {
        "occurred_at": "when", "item_id": "sku", "user_id": "who", "quantity": "n", "price": "price",
        "event_type": "kind",
    },
    "event_types": {"sale": "purchase"},
}  # fmt: skip
HEADER = "when,sku,who,n,price,kind"
GOOD = "2015-05-01 10:00:00,tea,ann,2,1.50,sale"


class Landing:
    """One shop in a folder. `orders` is its column map unless other sources are given."""

    def __init__(self, root: Path, sources: list[dict] | None = None, zone: str = "UTC") -> None:
        self.home: ShopHome = Home(root / "home").shop("shop")
        self.folder = root / "landing"
        self.shop = Shop.model_validate(
            {"name": "shop", "time_zone": zone, "currency": "GBP", "sources": sources or [MAP]}
        )

    def put(self, name: str, content: str | bytes | list[str]) -> Path:
        """Text, bytes, or CSV lines below the usual header; text of a `.gz` name is compressed,
        unless it ends with a blank."""
        if isinstance(content, list):
            content = "\n".join([HEADER, *content]) + "\n"
        data = content.encode() if isinstance(content, str) else content
        path = self.folder / "orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            gzip.compress(data, mtime=0)
            if name.endswith(".gz") and isinstance(content, str) and not content.endswith(" ")
            else data
        )
        return path

    def ingest(self) -> Taken:
        return ingest(self.shop, self.folder, self.home, Progress("ingest"))

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home.ledger)

    def events(self, what: str = "*", kind: str = "events") -> list[tuple]:
        """Accepted rows that no restatement has replaced, as a night would see them."""
        ledger = self.ledger
        paths = [str(self.home.raw / p.path) for p in ledger.parts() if p.kind == kind]
        if not paths:
            return []
        gone = sorted(ledger.replaced_ids())
        return duckdb.execute(
            f"select {what} from read_parquet($paths, hive_partitioning = false)"
            " where not list_contains($gone, file_id) order by file_id, row_number",
            {"paths": paths, "gone": gone},
        ).fetchall()

    def quarantine(self, what: str = "row_number, reason") -> list[tuple]:
        paths = [str(p) for p in self.home.quarantine.glob("*.parquet")]
        if not paths:
            return []
        return duckdb.execute(
            f"select {what} from read_parquet($paths) order by file_id, row_number",
            {"paths": paths},
        ).fetchall()


__all__ = ["GOOD", "HEADER", "MAP", "Landing", "run"]
