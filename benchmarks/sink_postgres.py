"""What a look-up in the PostgreSQL sink costs, and a delivery: a table of 2 million rows, 100 thousand
users with 20 rows each, 1,000 look-ups of users drawn at random.

    python benchmarks/sink_postgres.py [rows]

Needs PostgreSQL's initdb and postgres; makes a server of its own, on a socket, and ends it.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg

from nightshelf.paths import Home
from nightshelf.publishing.sinks import postgres as sink
from nightshelf.settings.shop import Postgres
from tests.support.postgres import Server
from tests.support.published import furnish

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
PER_USER = 20
LOOKUPS = 1_000
QUERY = """
select rank, item_id, reason_code, evidence from nightshelf.rec_for_you
where context_type = 'user' and context_id = %s order by rank
"""
SHELF = f"""
select getvariable('night')::date as night, 'for_you' as placement, 'user' as context_type,
       (i // {PER_USER})::varchar as context_id, (1 + i % {PER_USER})::integer as rank,
       (hash(i) % 50000)::varchar as item_id, 1.0 / (1 + i % {PER_USER}) as score,
       'own_history' as source, 'due_again' as reason_code, [(hash(i) % 50000)::varchar] as evidence,
       '0123456789abcdef' as model_fingerprint, false as is_exploration, 1.0::double as propensity
from range({ROWS}) t(i) order by context_type, context_id, rank
"""


def main() -> None:
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            shop = Home(Path(folder)).shop("shop")
            for day in (1, 2):  # the second replaces the first
                night = furnish(shop, f"2017-12-0{day}/1", rec_for_you=SHELF)
                started, cpu = time.perf_counter(), time.process_time()
                print(sink.deliver(shop, Postgres(url_env="UNUSED"), server.url, night))
                print(
                    f"  in {time.perf_counter() - started:.1f} s, {time.process_time() - cpu:.1f} s"
                    " of this process's processor"
                )
        look_up(server.url)
    finally:
        server.end()


def look_up(url: str) -> None:
    users = random.Random(1).choices(range(ROWS // PER_USER), k=LOOKUPS)
    took = []
    with psycopg.connect(url, autocommit=True) as db:
        for user in map(str, users):
            started = time.perf_counter()
            found = db.execute(QUERY, [user]).fetchall()
            took.append((time.perf_counter() - started) * 1000)
            assert [row[0] for row in found] == list(range(1, PER_USER + 1))
    p50, p99 = np.percentile(took, [50, 99])
    print(f"{LOOKUPS:,} look-ups of {ROWS:,} rows: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
