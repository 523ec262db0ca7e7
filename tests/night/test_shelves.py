"""What must be true of the shelves, whatever the log holds."""

import duckdb

from nightshelf.columns import SHELF, SHELVES
from nightshelf.publishing.nights import damage, published
from nightshelf.readiness import read_readiness
from nightshelf.steps import stage_records
from tests.support import trap_shop
from tests.support.trap_shop import HOSTILE, NIGHT

QUARANTINED = ("bad_time", "missing_item_id", "unknown_event_type", "bad_number")


def bought(night, user, item):
    path = str(night.run.attempt.database)
    with duckdb.connect(path, read_only=True) as db:
        return db.execute(
            "select n_days from features.feat_user_item where as_of = ? and user_id = ? and item_id = ?",
            [NIGHT, user, item],
        ).fetchall()


def test_every_line_of_the_log_ends_where_it_must(night):
    """Each line was given its end as it was written; ledger and report count the same."""
    ends, report = night.log.ends, night.report()
    refused = sum(ends[reason] for reason in QUARANTINED)
    counted = {name: ends[name] for name in report if name not in ("source", "n_raw")}
    # Lines of the till have no user, but they make baskets: kept, and counted once more.
    counted["n_kept"] += ends["n_without_user"]
    assert report == {"source": "orders", "n_raw": sum(ends.values()) - refused, **counted}


def test_the_quarantine_names_the_row_and_the_reason(night):
    paths = [str(p) for p in night.run.attempt.shop.quarantine.glob("*.parquet")]
    found = duckdb.execute(
        "select reason, row_number, raw from read_parquet(?)", [paths]
    ).fetchall()
    assert sorted(r[0] for r in found) == sorted(
        reason for reason in QUARANTINED for _ in range(night.log.ends[reason])
    )
    lines = night.log.files["2015-02-10.csv"]
    for _, row_number, raw in found:
        assert lines[row_number - 1][1] in raw


def test_the_night_knows_every_landing_file_and_its_rows(night):
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        found = db.execute(
            "select name, rows_read, rows_read = accepted + quarantined from raw.files"
            " where kind = 'events'"
        ).fetchall()
    assert sorted(found) == sorted(
        (f"orders/{name}", len(lines), True) for name, lines in night.log.files.items()
    )


def test_every_shelf_has_the_published_columns_and_says_its_night(night):
    for shelf in SHELVES:
        path = str(night.run.attempt.published / f"{shelf}.parquet")
        described = duckdb.execute("describe from read_parquet($p)", {"p": path}).fetchall()
        assert {c[0]: c[1] for c in described} == SHELF
        said = night.rows(shelf, "distinct night, placement, is_exploration, propensity")
        assert said == [(NIGHT, shelf.removeprefix("rec_"), False, 1.0)] or is_excused(night, shelf)


def is_excused(night, shelf) -> bool:
    """Nothing can lie on it tonight, and readiness says so."""
    return read_readiness(night.run.attempt).of(shelf).may_be_empty


def test_ranks_run_from_one_and_no_list_is_longer_than_its_k(night):
    k = night.run.shop.placements
    longest = {
        "rec_similar_items": k.k_similar, "rec_bought_together": k.k_together, "rec_popular": k.k_popular,
        "rec_cart": k.k_cart, "rec_next_category": k.k_next, "rec_trending": k.k_trending,
        "rec_new_arrivals": k.k_new, "rec_on_sale": k.k_sale, "rec_cold_start": k.k_cold,
    }  # fmt: skip
    for shelf in SHELVES:
        lists = night.rows(
            shelf, "context_type, context_id, list_sort(list(rank))", "true group by 1, 2"
        )
        assert lists or is_excused(night, shelf), shelf
        for _, _, ranks in lists:
            assert ranks == list(range(1, len(ranks) + 1))
            assert len(ranks) <= longest.get(shelf, k.k)


def test_everybody_has_a_shelf_whatever_the_id_looks_like(night):
    served = {r[0] for r in night.rows("rec_for_you", "distinct context_id")}
    devices = {trap_shop.JOINED_LATE[1], trap_shop.SHARED[2]}
    assert served == {trap_shop.user_id(n) for n in range(trap_shop.N_USERS)} | devices
    assert set(HOSTILE) < served
    offered = {r[0] for r in night.rows("rec_for_you", "distinct item_id")}
    assert {f"item {h}" for h in HOSTILE} < offered


def test_nothing_out_of_stock_and_no_fee_is_offered_anywhere(night):
    for shelf in SHELVES:
        offered = {r[0] for r in night.rows(shelf, "distinct item_id")}
        assert trap_shop.OUT_OF_STOCK not in offered
        assert all(item.startswith("item ") for item in offered)


def test_discover_offers_nothing_that_the_user_bought(night):
    offered = set(night.rows("rec_discover", "context_id, item_id"))
    assert len(offered) > 500
    assert not offered & night.log.bought


def test_what_was_refunded_before_the_night_was_not_bought_and_what_is_refunded_later_was(night):
    assert bought(night, *trap_shop.REFUNDED) == []
    assert bought(night, *trap_shop.REFUNDED_LATE) == [(1,)]


def test_the_last_second_before_midnight_counts_and_midnight_does_not(night):
    assert bought(night, *trap_shop.AT_MIDNIGHT) == [(1,)]
    assert bought(night, *trap_shop.AFTER_MIDNIGHT) == []


def test_what_a_device_bought_is_the_user_s_once_a_login_tells_and_the_device_s_until_then(night):
    user, device, item = trap_shop.JOINED
    assert (bought(night, user, item), bought(night, device, item)) == ([(1,)], [])
    user, device, item = trap_shop.JOINED_LATE
    assert (bought(night, user, item), bought(night, device, item)) == ([], [(1,)])


def test_a_device_on_which_two_log_in_in_one_session_stays_its_own(night):
    one, other, device, item = trap_shop.SHARED
    found = [bought(night, who, item) for who in (one, other, device)]
    assert found == [[], [], [(1,)]]


def test_who_has_two_names_is_counted_once(night):
    (told,) = (r["told"] for r in stage_records(night.run.attempt) if r["stage"] == "features")
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        names, users = db.execute(
            "select (select count(distinct user_id) from marts.fct_interactions), count(*) from marts.dim_users"
        ).fetchall()[0]
    assert names > users
    assert told.endswith(f", {users} users")


def test_robots_and_the_shop_s_own_people_teach_nothing(night):
    for who in (trap_shop.CRAWLER, trap_shop.STAFF):
        assert night.rows("rec_for_you", "*", "context_id = $p1", who) == []
    assert bought(night, "user 21", "item 38") == []


def test_the_report_says_what_each_rule_found_in_words(night):
    found = dict(night.rows("rpt_cleaning", "rule, n_events"))
    assert found["robot"] == night.log.ends["n_robots"] == 22
    assert found["internal"] == night.log.ends["n_internal"] == 2
    assert found["taken_back"] == 1
    assert found["another_title"] == 1
    assert all(night.rows("rpt_cleaning", "means"))


def test_a_title_is_the_last_one_known_before_the_night(night):
    item, title = trap_shop.RENAMED
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        found = db.execute("select title from marts.dim_items where item_id = ?", [item]).fetchall()
    assert found == [(title,)]


def test_even_users_are_offered_even_items_first(night):
    """The log's hidden rule: each user keeps to one colour of items."""
    tops = night.rows("rec_for_you", "context_id, item_id", "rank = 1 and context_id like 'user %'")
    ordinary = [(u, i) for u, i in tops if i[5:].isdigit()]
    assert len(ordinary) > 20
    assert all(int(u[5:]) % 2 == int(i[5:]) % 2 for u, i in ordinary)


def test_evidence_of_because_you_bought_was_bought(night):
    pairs = night.rows(
        "rec_discover", "context_id, evidence[1]", "reason_code = 'because_you_bought'"
    )
    assert pairs
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        own = set(
            db.execute(
                "select user_id, item_id from features.feat_user_item where as_of = ?", [NIGHT]
            ).fetchall()
        )
    assert set(pairs) <= own


def test_the_evidence_of_every_row_is_in_the_mart_before_the_night_and_a_user_s_own(night):
    with duckdb.connect(str(night.run.attempt.database), read_only=True) as db:
        items = dict(db.execute("select item_id, category from marts.dim_items").fetchall())
        own = set(
            db.execute(
                """select user_id, item_id from marts.fct_interactions
                where interaction_date < $night and coalesce(cancelled_on >= $night, true)
                    and coalesce(left_on >= $night, true) and coalesce(joined_on < $night, true)""",
                {"night": NIGHT},
            ).fetchall()
        )
    for shelf in SHELVES:
        rows = night.rows(shelf, "context_type, context_id, item_id, unnest(evidence)")
        for context_type, context, item, evidence in rows:
            if shelf == "rec_next_category":
                assert evidence == items[item]
            elif context_type == "user":
                assert (context, evidence) in own, shelf
            else:
                assert evidence in items, shelf
                assert context_type not in ("item", "pair") or evidence in context


def test_the_published_files_are_whole(night):
    (first, *_) = published(night.run.attempt.shop)
    assert (first.night, first.attempt, damage(first)) == (NIGHT, 1, [])
