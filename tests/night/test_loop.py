"""What a night's shelves brought comes back with the next nights, joined to the slot that was shown."""

import shutil
from datetime import date, timedelta

import duckdb
import pytest

from nightshelf.paths import Home
from nightshelf.pinned.following import pin_published
from nightshelf.publishing.nights import PublishedNight
from nightshelf.publishing.publish import point_at
from nightshelf.steps import features, gate, ingest, open_night
from nightshelf.tracing.published import of_user
from tests.support.trap_shop import NIGHT

LATER = NIGHT + timedelta(days=4)
USER, OTHER = "user 02", "user 06"
WEB = """
[[sources]]
name = "web"
adapter = "column_map"
path = "web/*.csv"

[sources.columns]
event_type = "what"
occurred_at = "at"
user_id = "who"
item_id = "sku"
list_id = "list"
position = "place"
"""


def shelf(night, user, placement="for_you"):
    shop = night.run.attempt.shop
    return [r.item_id for r in of_user(shop, _published(night), user, placement)]


def _published(night):
    return PublishedNight(NIGHT, night.run.attempt.number, night.run.attempt.published)


def lines(night):
    """(what, at, who, sku, list, place) of the shop's own pages on the night's date."""
    first, second, third, *_ = shelf(night, USER)
    absent = next(f"item {n:02d}" for n in range(38) if f"item {n:02d}" not in shelf(night, USER))
    seen = "2015-04-01 10:00:00"
    return [
        ("impression", seen, USER, first, "for_you@2015-04-01", 1),
        ("impression", seen, USER, second, "for_you", 2),
        ("impression", seen, USER, third, "rec_for_you@2015-04-01", 7),
        ("impression", seen, USER, absent, "for_you", 4),
        ("impression", seen, USER, first, f"for_you/{OTHER}", 1),
        ("impression", seen, USER, first, "for_you@2015-03-31", 1),
        ("impression", seen, USER, first, "'; drop table marts.fct_impressions; --", 1),
        ("impression", seen, USER, first, "", 1),
        ("click", "2015-04-01 10:00:05", USER, first, "for_you@2015-04-01", 1),
        ("click", "2015-04-01 10:00:09", USER, second, "", ""),
        ("purchase", "2015-04-02 09:00:00", USER, second, "", ""),
        ("purchase", "2015-04-02 09:00:00", OTHER, shelf(night, OTHER, "discover")[9], "", ""),
        ("purchase", "2015-04-02 09:00:00", OTHER, shelf(night, OTHER, "discover")[0], "", ""),
    ]


@pytest.fixture(scope="module")
def later(night, tmp_path_factory):
    """Four days on: the steps of a night up to its features, in a copy of the shop and its home."""
    folder = tmp_path_factory.mktemp("later")
    shutil.copytree(night.shop_file.parent / "landing", folder / "landing")
    home = Home(folder / "home")
    shutil.copytree(night.home.root / "shops", home.root / "shops", symlinks=True)
    _only_the_first(home.shop(night.run.shop.name))
    (folder / "landing" / "web").mkdir()
    rows = [("what", "at", "who", "sku", "list", "place"), *lines(night)]
    text = "".join(",".join(f'"{v}"' for v in row) + "\n" for row in rows)
    (folder / "landing" / "web" / "april.csv").write_text(text)
    shop_file = folder / "trap.toml"
    shop_file.write_text(night.shop_file.read_text() + WEB + '[doors]\nlearn_from = "2015-04-01"\n')
    run = open_night(home, shop_file, LATER)
    ingest(run)
    gate(run, "raw")
    features(run)
    return run


def _only_the_first(shop):
    """Other tests may have published further attempts at the night; readers are followed on the first."""
    first = PublishedNight(NIGHT, 1, shop.attempt(NIGHT, 1).published)
    point_at(shop, first)
    for other in (shop.nights / str(NIGHT)).iterdir():
        if other != first.path:
            shutil.rmtree(other)


def asked(run, sql):
    with duckdb.connect(str(run.attempt.database), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_each_impression_finds_its_slot_or_the_reason_why_it_has_none(later, night):
    first, second, third, *_ = shelf(night, USER)
    found = asked(
        later, "select item_id, night, rank, propensity from marts.fct_impressions where rank > 0"
    )
    assert sorted(found, key=lambda r: r[2]) == [
        (first, NIGHT, 1, 1.0), (second, NIGHT, 2, 1.0), (third, NIGHT, 3, 1.0)
    ]  # fmt: skip
    told = dict(asked(later, "select outcome, n_impressions from reports.rpt_impressions"))
    assert told == {
        "matched": 2, "other_position": 1, "not_on_list": 1, "other_user": 1, "no_night": 1,
        "other_list": 1, "no_list": 1,
    }  # fmt: skip


def test_clicks_and_purchases_are_those_of_the_slot_that_was_seen_before_them(later, night):
    first, second, third, *_ = shelf(night, USER)
    found = asked(
        later,
        "select item_id, n_clicks, n_bought_1d, n_bought_7d, is_followed_1d, is_followed_7d"
        " from marts.fct_impressions where rank > 0 order by rank",
    )
    assert found == [
        (first, 1, 0, 0, True, False),
        (second, 1, 1, 1, True, False),
        (third, 0, 0, 0, True, False),
    ]


def test_what_was_shown_is_told_as_shown_and_the_other_shelves_are_replayed(later):
    methods = asked(later, "select distinct placement, method from reports.rpt_online_quality")
    assert dict(methods) == {
        "for_you": "shown", "discover": "replayed", "buy_again": "replayed", "popular": "replayed",
        "cold_start": "replayed", "next_category": "replayed", "trending": "replayed",
    }  # fmt: skip
    ((slots, clicked, followed, bought),) = asked(
        later,
        "select n_slots, n_clicked, n_followed_1d, n_bought_1d from reports.rpt_online_quality"
        " where placement = 'for_you' and dimension = 'all'",
    )
    assert (slots, clicked, followed, bought) == (3, 2, 3, 1)


def test_a_replayed_shelf_counts_what_its_user_took_among_the_first_ten(later, night):
    """OTHER took the first and the tenth of their list."""
    found = asked(
        later,
        "select rank from intermediate.int_shelves_replayed where is_taken"
        f" and placement = 'discover' and user_id = '{OTHER}' order by rank",
    )
    assert found == [(1,), (10,)]
    takers = {u for (u,) in asked(
        later,
        "select distinct user_id from marts.fct_interactions"
        f" where interaction_date >= '{NIGHT}' and cancelled_on is null and left_on is null",
    )}  # fmt: skip
    ((lists, slots),) = asked(
        later,
        "select n_lists, n_slots from reports.rpt_online_quality"
        " where placement = 'popular' and dimension = 'all'",
    )
    assert (lists, slots) == (len(takers), 10 * len(takers))


def test_the_night_itself_looks_back_on_no_night(night):
    assert asked(night.run, "from raw.published_nights") == []
    assert night.rows("rpt_online_quality") == night.rows("rpt_impressions") == []


def pinned(run, night: date):
    from nightshelf.night import Night

    with duckdb.connect() as db:
        db.execute("create schema raw")
        pin_published(db, run.attempt.shop, Night(night, run.shop.zone))
        nights = db.execute("from raw.published_nights").fetchall()
        return nights, db.execute("select count(*) from raw.published").fetchall()[0][0]


def test_a_night_is_followed_for_fourteen_days_and_none_that_is_not_before_it(later):
    assert pinned(later, NIGHT) == ([], 0)
    nights, rows = pinned(later, NIGHT + timedelta(days=14))
    assert (nights, rows > 3000) == ([(NIGHT, 1)], True)
    assert pinned(later, NIGHT + timedelta(days=15)) == ([], 0)


def test_a_damaged_night_is_left_out_and_told_of(later, capsys):
    path = later.attempt.shop.nights / str(NIGHT) / "1" / "rec_for_you.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        assert pinned(later, LATER) == ([], 0)
    finally:
        path.write_bytes(whole)
    assert "rec_for_you.parquet: its sha256 is not the manifest's" in capsys.readouterr().out
