"""Follows one recommended item of one user back to the lines it came from. Reads only.

    .venv/bin/python docs/example/trace.py .nightshelf/shops/demo 1912 964327

The shop's folder, a user, an item on that user's shelf. Prints each query and its rows; the night
is the one that readers see.
"""

import sys
from pathlib import Path

import duckdb

STEPS = {
    "raw.events": """
        select file_id, row_number, event_type, occurred_at, quantity, price, order_id
        from raw.events
        where user_id = $user and item_id = $item and occurred_at < $night::timestamp
        order by occurred_at desc, row_number limit 3""",
    "raw.files: where such a row was read": """
        select name, file_id, accepted from raw.files
        where file_id = (select arg_max(file_id, occurred_at) from raw.events
            where user_id = $user and item_id = $item and occurred_at < $night::timestamp)""",
    "intermediate.int_events_cleaned": """
        select left(event_id, 8) as event, event_date, quantity, unit_price, dropped_by
        from intermediate.int_events_cleaned
        where user_id = $user and item_id = $item
        order by occurred_at desc, event_id limit 3""",
    "marts.fct_interactions": """
        select interaction_date, n_events, quantity, revenue, weight, cancelled_on
        from marts.fct_interactions
        where user_id = $user and item_id = $item
        order by interaction_date desc limit 3""",
    "features.feat_user_item: one row for each of the night's cuts": """
        select as_of, n_days, n_days_28d, n_days_91d, days_since_last,
            round(mean_gap_days, 2) as mean_gap_days, round(decayed_count, 3) as decayed_count
        from features.feat_user_item
        where user_id = $user and item_id = $item order by as_of""",
    "features.feat_user": """
        select as_of, n_active_days, n_active_days_28d, n_items, days_since_last,
            round(mean_gap_days, 2) as mean_gap_days
        from features.feat_user where user_id = $user order by as_of""",
    "candidates: which sources proposed the item, and how high": """
        select source[10:] as source, rank
        from (unpivot numbered_candidates on columns('^rank_all_') into name source value rank)
        where user_id = $user and item_id = $item and rank > 0 order by rank, source""",
    "candidates: how many the sources proposed for the user": """
        select count(*) as candidates, count(*) filter (rank_all_own_history > 0) as own_history
        from numbered_candidates where user_id = $user""",
    "ml.for_you: after the ranker": """
        select item_id, round(score, 4) as score, source,
            row_number() over (order by score desc, item_id) as place
        from ml.for_you where user_id = $user order by place limit 3""",
    "recommendations.rec_for_you": """
        select rank, item_id, round(score, 4) as score, source, reason_code, evidence
        from recommendations.rec_for_you
        where context_id = $user order by rank limit 3""",
    "nights/current/rec_for_you.parquet: what the web shop reads": """
        select night, rank, item_id, reason_code, evidence, model_fingerprint
        from published where context_id = $user order by rank limit 3""",
}


def main(shop: Path, user: str, item: str) -> None:
    current = (shop / "nights" / "current").resolve()
    night, number = current.parts[-2:]
    attempt = shop / "attempts" / night / number
    given = {"user": user, "item": item, "night": night}
    # In memory, with the files attached to read: nothing can be written.
    with duckdb.connect() as db:
        db.execute("set TimeZone = 'UTC'")
        # The attempt's views name the history by this alias.
        db.execute(f"attach {_quoted(shop / 'warehouse.duckdb')} as history (read_only)")
        db.execute(f"attach {_quoted(attempt / 'night.duckdb')} as night (read_only)")
        pool = attempt / "candidates" / "serve"
        _view(db, "published", f"from {_quoted(current / 'rec_for_you.parquet')}")
        _view(db, "numbered_candidates", _with_ids(pool))
        db.execute("use night")
        for name, query in STEPS.items():
            _show(db, name, query, given)


def _quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _view(db: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    db.execute(f"create temp view {name} as {query}")


def _with_ids(pool: Path) -> str:
    """Candidates are stored as codes: positions in the two tables of ids beside them; these are for_you's."""
    return f"""
        select users.id as user_id, items.id as item_id, c.*
        from {_quoted(f"{pool}.parquet")} as c
        join (select id, row_number() over () - 1 as code from {_quoted(f"{pool}.users.parquet")}) as users
            on users.code = c.user_code
        join (select id, row_number() over () - 1 as code from {_quoted(f"{pool}.items.parquet")}) as items
            on items.code = c.item_code
        where greatest(*columns('^rank_all_')) > 0"""


def _show(db: duckdb.DuckDBPyConnection, name: str, query: str, given: dict[str, str]) -> None:
    asked = {key: value for key, value in given.items() if f"${key}" in query}
    found = db.execute(query, asked)
    rows = [[column[0] for column in found.description]]
    rows += [[str(value) for value in row] for row in found.fetchall()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n-- {name}")
    for row in rows:
        print("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4])
