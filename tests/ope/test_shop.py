"""A shop's own impressions, weighed as they came back."""

import duckdb
import pytest
from typer.testing import CliRunner

from nightshelf.cli import app
from nightshelf.errors import InputError, SettingsError
from nightshelf.ope import Options, evaluate
from nightshelf.ope.files import read_impressions
from nightshelf.ope.shop import logged
from nightshelf.paths import Home

SHOP = """
name = "tiny"
time_zone = "UTC"
currency = "EUR"
[[sources]]
name = "lines"
adapter = "online_retail"
path = "*.csv"
"""
COLUMNS = (
    "night, placement, context_type, context_id, user_id, item_id, rank, position, propensity,"
    " n_clicks, n_bought_7d, is_followed_1d, is_followed_7d, unmatched_because"
)
SEEN = "date '2026-03-01', 'for_you', 'user', 'u', 'u'"
ROWS = (
    # Seen twice and clicked once: one slot.
    f"({SEEN}, 'a', 1, 1, 0.9, 0, 0, true, true, null)",
    f"({SEEN}, 'a', 1, null, 0.9, 2, 0, true, true, null)",
    f"({SEEN}, 'b', 2, 2, 0.05, 0, 1, true, true, null)",
    # At another place than its slot, not waited for, not matched.
    f"({SEEN}, 'c', 3, 4, 0.9, 1, 1, true, true, null)",
    f"({SEEN}, 'd', 4, 4, 0.9, 1, 1, false, false, null)",
    "(null, 'for_you', null, null, 'u', 'e', null, 4, null, 0, 0, true, true, 'not_on_list')",
    "(date '2026-03-01', 'popular', 'all', 'all', 'u', 'a', 1, 1, 1, 0, 0, true, true, null)",
    "(date '2026-03-01', 'popular', 'all', 'all', 'v', 'a', 1, 1, 1, 1, 0, true, true, null)",
)


@pytest.fixture
def shop(tmp_path):
    """(home, shop file): an attempt that has its features, with these impressions, and an older one."""
    home, file = Home(tmp_path / "home"), tmp_path / "tiny.toml"
    file.write_text(SHOP)
    for night in ("2026-03-09", "2026-03-10"):
        root = home.shop("tiny").attempts / night / "1"
        (root / "stages").mkdir(parents=True)
        (root / "stages" / "features.json").write_text("{}")
        with duckdb.connect(str(root / "night.duckdb")) as db:
            db.execute("create schema marts; create schema reports")
            values = ", ".join(ROWS)
            db.execute(
                "create table marts.fct_impressions as select * replace (propensity::double as propensity)"
                f" from (values {values}) as t({COLUMNS})"
            )
            db.execute(
                "create table reports.rpt_impressions as"
                " select 'discover' as placement, 'no_night' as outcome, 7 as n_impressions"
            )
            if night == "2026-03-09":
                db.execute("delete from marts.fct_impressions")
    return home, file


def log_of(shop, placement="for_you", reward="click"):
    with logged(*shop, placement, reward) as path:
        return duckdb.execute(
            "select * exclude (night) from read_parquet($p)", {"p": str(path)}
        ).fetchall()


def test_a_slot_counts_once_however_often_it_was_seen(shop):
    assert log_of(shop) == [("u", "a", 1, 0.9, 1), ("u", "b", 2, 0.05, 0)]
    assert log_of(shop, "rec_for_you") == log_of(shop)


def test_a_slot_that_stands_so_on_several_nights_is_no_copy(shop):
    with duckdb.connect(str(shop[0].shop("tiny").attempts / "2026-03-10/1/night.duckdb")) as db:
        db.execute(
            "insert into marts.fct_impressions select * replace (night + 1 as night)"
            " from marts.fct_impressions where placement = 'for_you'"
        )
    with logged(*shop, "for_you", "click") as path:
        found = evaluate(read_impressions(path, None), Options(allow_uncovered=1))
    assert (found.n_impressions, found.logged.n_users, found.doubled) == (4, 1, 0)


def test_a_purchase_is_another_reward_than_a_click(shop):
    assert log_of(shop, reward="purchase") == [("u", "a", 1, 0.9, 0), ("u", "b", 2, 0.05, 1)]


def test_the_command_reads_them_and_leaves_no_file(shop, tmp_path):
    policy = tmp_path / "policy.csv"
    policy.write_text("item_id,probability\na,0.5\nb,0.5\n")
    given = ["--placement", "for_you", "--policy", str(policy), "--allow-uncovered", "1"]
    home, file = shop
    done = CliRunner().invoke(
        app, ["ope", "--shop", str(file), "--home", str(home.root), *given], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "2 impressions of 1 contexts" in done.output


def test_a_shelf_that_left_nothing_to_chance_tells_of_no_other_policy(shop):
    with pytest.raises(
        InputError, match="All 2 slots of rec_popular that were seen had propensity 1"
    ):
        log_of(shop, "popular")


def test_a_shelf_that_nobody_saw_says_what_became_of_its_impressions(shop):
    with pytest.raises(InputError, match="impressions that name it: no_night 7"):
        log_of(shop, "discover")


def test_a_file_and_a_shop_are_not_weighed_together(shop):
    for words in ([], ["log.csv", "--shop", "s", "--placement", "p"], ["--shop", "s"]):
        with pytest.raises(SettingsError, match="One log is to be weighed"):
            CliRunner().invoke(app, ["ope", *words], catch_exceptions=False)
    with pytest.raises(SettingsError, match="--reward is of a shop's own impressions"):
        given = ["log.csv", "--uniform", "--reward", "purchase"]
        CliRunner().invoke(app, ["ope", *given], catch_exceptions=False)
    with pytest.raises(SettingsError, match="'revenue' is no reward"):
        log_of(shop, reward="revenue")
