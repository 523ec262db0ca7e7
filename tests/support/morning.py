"""Two published nights and what their steps left: small enough to know every figure on their pages.

Ids are hostile (`published.HOSTILE`), and so are titles, names and everything else that a stranger may
have written.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from nightshelf.ingest.ledger import Ledger, LedgerFile
from nightshelf.paths import Attempt, ShopHome
from nightshelf.publishing.nights import write_manifest
from nightshelf.settings.shop import Shop
from nightshelf.steps import STEPS
from nightshelf.storage import read_json, write_json
from tests.support.published import HOSTILE, furnish

ATTACK = "</script><script>document.title = 'pwned'</script><img src=x onerror=\"document.title = 'pwned'\">"
TITLES = {item: f"{ATTACK} {{{{ 7 * 7 }}}} {n}" for n, item in enumerate(HOSTILE)}
N_USERS, N_RANKS = len(HOSTILE), 3
EVENTS = {"n_raw": 1_000, "n_copies": 10, "n_after_night": 90, "n_robots": 200, "n_kept": 700}
NDCG = {"ranker": 0.4, "own_history": 0.3, "popularity": 0.1, "ease": 0.2}

RUN = "manual__2017-12-02T03:30:00+00:00"
"""Airflow's name of the run that made an attempt."""
SHOP = Shop.model_validate(
    {
        "name": "shop",
        "title": f"The {ATTACK} shop",
        "time_zone": "Europe/London",
        "currency": "GBP",
        "sources": [
            {
                "name": "orders",
                "adapter": "column_map",
                "path": "*.csv",
                "kind": "events",
                "columns": {"occurred_at": "t", "user_id": "u", "item_id": "i"},
                "constants": {"event_type": "purchase"},
            }
        ],
    }
)


def two_nights(shop: ShopHome) -> Attempt:
    """Publishes 2017-11-30/1 and 2017-12-01/1; returns the second, which readers see."""
    furnish(shop, "2017-11-30/1", ids=HOSTILE, **_tables(first_item=2))
    _left(shop.attempt(date(2017, 11, 30), 1))
    made = furnish(shop, "2017-12-01/1", ids=HOSTILE, **_tables(first_item=1))
    attempt = shop.attempt(made.night, 1)
    _left(attempt)
    _take(attempt)
    return attempt


def _tables(first_item: int) -> dict[str, str]:
    """Table → a query. A user's list of rec_for_you is three items of the twelve, the first one proposed
    by popularity, the third exploring; the next night's begins one item earlier, so two of three stay."""
    return {
        "rec_for_you": _shelf("for_you", "user", first_item),
        "rec_similar_items": _shelf("similar_items", "item", first_item),
        "rec_popular": _shelf("popular", "category", first_item),
        "rpt_events": "select 'orders' as source, "
        + ", ".join(f"{n} as {name}" for name, n in EVENTS.items())
        + ", 0 as n_without_user",
        "rpt_cleaning": f"select 'orders' as source, 'robot' as rule, 200 as n_events, 0.2 as share, {_quoted(ATTACK)} as means",
        "rpt_readiness": "from (values"
        " ('rec_for_you', 'users who came back', 40, 20, true, 'ready', null, 'for you: ready'),"
        " ('rec_cart', 'baskets', 7, 1000, false, 'falls short', 'category', 'cart: 7 baskets, 1,000 wanted'))"
        " t(placement, needs, has, wanted, is_ready, verdict, published_instead, told)",
        "rpt_gaps": "select 'carts' as gap, 0 as has, null::bigint as of_all, true as is_lacking, 'no cart additions' as told",
        "rpt_rule_cost": "from (values ('rec_for_you', 'cap_brand', 12, 12, 3, 5, 0.9, 1.0, 4.5, 5.0),"
        " ('rec_for_you', 'pin', 12, 12, 0, 0, 1.0, 1.0, 5.0, 5.0),"
        " ('rec_for_you', 'every', 12, 12, 3, 5, 0.9, 1.0, 4.5, 5.0))"
        " t(placement, rule, n_lists, n_lists_compared, n_lists_changed, n_rows_changed, ndcg, ndcg_without,"
        " revenue, revenue_without)",
        "rpt_online_quality": "select 'shown' as method, 'for_you' as placement, 'all' as dimension, 'all' as value,"
        " 500 as n_slots, 20 as n_clicked, 0.04 as ctr, 0.03 as ctr_low, 0.05 as ctr_high, 0.01 as conversion_7d,"
        " 50 as n_lists, null::double as hit_rate_10, null::double as hit_rate_low, null::double as hit_rate_high",
        "rpt_impressions": "select 'for_you' as placement, 'joined' as outcome, 500 as n_impressions, 'met its slot' as means",
        "user_profiles": "select getvariable('night')::date as night, unnest(ids()) as user_id",
        "user_segments": "select getvariable('night')::date as night, u as user_id,"
        f" (1 + row_number() over (order by u) % 2)::integer as segment, {_quoted(ATTACK)} as name from unnest(ids()) t(u)",
        "user_churn_risk": "select getvariable('night')::date as night, u as user_id,"
        " case when row_number() over (order by u) <= 3 then 'high' else 'low' end as risk from unnest(ids()) t(u)",
        "user_interest_history": "select u as user_id, m as month, 'TOYS' as category, 0.25 as drift, 1 as rank,"
        " case when row_number() over (partition by m order by u) <= 4 then 'rising' else 'steady' end as trend,"
        " true as is_whole_month"
        " from unnest(ids()) t(u), (values (date '2017-10-01'), (date '2017-11-01')) s(m)",
        "audiences": "select getvariable('night')::date as night, 'big spenders' as audience, 'spend' as kind, u as user_id from unnest(ids()) t(u)",
    }  # fmt: skip


def _shelf(placement: str, kind: str, first_item: int) -> str:
    item = f"ids()[1 + (c.n + r + {first_item}) % {len(HOSTILE)}]"
    return f"""select getvariable('night')::date as night, '{placement}' as placement,
        '{kind}' as context_type, c.id as context_id, r::integer as rank, {item} as item_id,
        1.0::double / r as score, case r when 1 then 'popularity' else 'ease' end as source,
        'because_you_bought' as reason_code, [ids()[1 + c.n % {len(HOSTILE)}]] as evidence,
        'f' as model_fingerprint, r = 3 as is_exploration, 0.5::double as propensity
    from (select unnest(ids()) as id, generate_subscripts(ids(), 1) as n) as c,
        range(1, {N_RANKS + 1}) as s(r)"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _left(attempt: Attempt) -> None:
    """What the steps leave in the attempt's folder."""
    attempt.root.mkdir(parents=True)
    for n, step in enumerate(s for s in STEPS if s != "morning"):
        told = {"stage": step, "rows": 1_000 * n, "told": ATTACK, "peak_mb": 500 + n}
        write_json(
            attempt.stages / f"{step}.json", {**told, "seconds": 10.0 + n, "cpu_seconds": 1.0}
        )
    for door in ("raw", "features", "shelves"):
        write_json(
            attempt.doors / f"{door}.json", {"door": door, "success": True, "rules": [_rule()]}
        )
    write_json(attempt.quality, {"placements": {"for_you": _examination()}})
    with duckdb.connect(str(attempt.database)) as db:
        db.execute("create schema marts")
        db.execute("create table marts.dim_items (item_id varchar, title varchar)")
        db.executemany("insert into marts.dim_items values (?, ?)", list(TITLES.items()))


def _rule() -> dict[str, Any]:
    band = {"day": "2017-11-30", "measure": "volume", "key": "", "observed": 90.0, "low": 50.0}
    listed = [{**band, "high": None, "usual": 100.0, "learnt_from": 55, "verdict": "within"}]
    return {"name": "days_have_their_usual_volume", "outcome": "passed", "listed": listed}


def _examination() -> dict[str, Any]:
    contenders = [
        {
            "name": name,
            "ndcg@10": mean,
            "recall@10": mean / 2,
            "ndcg@10/users/light": mean,
            "intervals": {
                "ndcg@10": [mean - 0.05, mean + 0.05, 800],
                "ndcg@10/users/light": [mean - 0.1, mean + 0.1, 400],
            },
        }
        for name, mean in NDCG.items()
    ]
    light = {"name": "light", "told": "2 to 9 dates", "size": 400, "figure": "ndcg@10/users/light"}
    return {
        "n_users": 800, "window_days": 14, "reachable": 0.5, "verdict": "better than own_history",
        "warning": "", "serving": "ranker", "serves_as": "challenger", "limits": [], "cohorts": [light], "contenders": contenders,
    }  # fmt: skip


def _take(attempt: Attempt) -> None:
    """A landing file of 1,000 rows, three of them quarantined; and what the manifest says of models."""
    file = LedgerFile(
        file_id="f", source="orders", adapter="column_map", kind="events", name="a.csv", sha256="s",
        size=1, records=1_000, rows_read=1_000, accepted=997, quarantined=3, set_aside=1,
        mapping="", header=None, chunk="c",
    )  # fmt: skip
    Ledger(attempt.shop.ledger).commit([file], {}, [])
    attempt.shop.quarantine.mkdir()
    path = attempt.shop.quarantine / "f.parquet"
    duckdb.execute(
        f"copy (from (values ('f', 'bad_timestamp', {_quoted(ATTACK)}), ('f', 'bad_timestamp', 'b'),"
        f" ('f', 'set_aside', 'c')) t(file_id, reason, raw)) to '{path}' (format parquet)"
    )
    manifest = attempt.published / "manifest.json"
    model = {"serving": "ranker", "serves_as": "challenger", "version": "7", "promoted": True}
    more = {
        "models": {"for_you": {**model, "why": "", "warning": ""}},
        "inputs": {"orders:a.csv": "s"},
    }
    write_manifest(manifest, read_json(manifest) | more)
