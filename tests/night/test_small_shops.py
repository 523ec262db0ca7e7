"""Not every shop has everything: each small shop gets a whole night, with what its data supports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from typer.testing import CliRunner

from nightshelf import cli
from nightshelf.columns import AUDIENCE, SHELVES
from nightshelf.errors import InputError, SettingsError
from nightshelf.night import Night
from nightshelf.paths import Home
from nightshelf.publishing.nights import current
from nightshelf.readiness import Readiness, learnt_nothing, look, read_readiness
from nightshelf.settings.shop import load_shop
from nightshelf.steps import Run, _door_context, due_shelves, stage_records, whole_night
from nightshelf.storage import read_json
from nightshelf.warehouse import connect
from tests.support.small_shops import (
    FIVE_ITEMS,
    NIGHT,
    NO_CATALOGUE,
    NO_EVENT_IDS,
    NO_PRICES,
    ONE_DAY,
    ONE_ITEM,
    ONLY_PURCHASES,
    ONLY_SESSIONS,
    ONLY_VISITORS,
    SMALL_SHOPS,
    STAPLES,
    SmallShop,
)

NEWS = {"rec_new_arrivals", "rec_on_sale"}
"""Everything was there in the first weeks, and costs what it did."""

EMPTY = {
    # A session is over in a day, so nobody takes anything on two dates.
    ONLY_SESSIONS.name: {"rec_buy_again"},
    ONE_DAY.name: {"rec_buy_again"},
    NO_CATALOGUE.name: {"rec_next_category"},
    ONE_ITEM.name: {
        "rec_discover", "rec_similar_items", "rec_bought_together", "rec_cart", "rec_next_category",
    },
}  # fmt: skip
"""The other shelves on which nothing can lie. Every other shelf of every shop holds something."""

LACKING = {
    ONLY_PURCHASES.name: {"views", "carts"},
    ONLY_VISITORS.name: {"carts", "purchases"},
    ONLY_SESSIONS.name: {"users", "purchases"},
    NO_CATALOGUE.name: {"catalogue", "categories", "stock"},
    NO_PRICES.name: {"prices"},
    NO_EVENT_IDS.name: {"event ids"},
    FIVE_ITEMS.name: set(),
    ONE_DAY.name: set(),
    ONE_ITEM.name: set(),
    STAPLES.name: {"views", "carts"},
}


LISTED = {
    "lapses": {"lapse"},
    "rising and fading interests": {"rising", "fading"},
    "interests beyond habit": {"interest_category", "interest_brand"},
}
"""Lists as readiness names them → their kinds in `audiences`."""


@dataclass(frozen=True)
class Made:
    """A shop's night, and what readiness said in it."""

    shop: SmallShop
    run: Run
    readiness: Readiness

    def shelf(self, name: str, what: str) -> list[tuple]:
        path = str(self.run.attempt.published / f"{name}.parquet")
        return duckdb.execute(f"select distinct {what} from read_parquet(?)", [path]).fetchall()

    def sources(self, name: str) -> set[str]:
        return {row[0] for row in self.shelf(name, "source")}


@pytest.fixture(scope="module")
def night_of(tmp_path_factory) -> Callable[[SmallShop], Made]:
    """A shop's night, run once."""

    nights: dict[str, Made] = {}

    def made(shop: SmallShop) -> Made:
        if shop.name not in nights:
            folder = tmp_path_factory.mktemp(shop.name)
            run = whole_night(Home(folder / "home"), shop.write(folder), NIGHT)
            nights[shop.name] = Made(shop, run, read_readiness(run.attempt))
        return nights[shop.name]

    return made


EACH = [
    pytest.param(shop, marks=[] if shop in (NO_CATALOGUE, STAPLES) else pytest.mark.long)
    for shop in SMALL_SHOPS
]
"""Two of them in the short run: one has people and little else, the other nothing but purchases."""


@pytest.fixture(scope="module", params=EACH, ids=lambda shop: shop.name)
def made(request, night_of) -> Made:
    return night_of(request.param)


def test_the_night_has_its_morning_page(made):
    told = {r["stage"]: r["told"] for r in stage_records(made.run.attempt)}
    assert told["morning"].startswith("morning.html, "), told["morning"]


def test_the_night_is_published(made):
    assert current(made.run.attempt.shop).night == NIGHT


def test_a_shelf_is_empty_only_where_nothing_can_lie_on_it_and_readiness_says_so(made):
    empty = {shelf for shelf in SHELVES if not made.shelf(shelf, "item_id")}
    assert empty == EMPTY.get(made.shop.name, set()) | NEWS
    assert all(made.readiness.of(shelf).may_be_empty for shelf in empty)


def test_what_readiness_says_is_published_instead_is_what_lies_there(made):
    own = {
        "rec_similar_items": {"item_knn", "content"}, "rec_bought_together": {"baskets"},
        "rec_cart": {"pairs", "triples"}, "rec_cold_start": {"onboarding"},
    }  # fmt: skip
    for told in map(made.readiness.of, SHELVES):
        if told.placement in learnt_nothing(made.run.attempt):
            assert made.sources(told.placement) <= {"category"}
        elif told.is_ready:
            assert "category" not in made.sources(told.placement)
        else:
            kinds = {"popularity": {"popularity"}, "category": {"category"}, "nothing": set()}
            allowed = kinds[told.published_instead] | own.get(told.placement, set())
            assert made.sources(told.placement) <= allowed


def test_a_shop_whose_baskets_say_nothing_gets_its_night_and_categories_for_its_carts(night_of):
    made = night_of(STAPLES)
    assert learnt_nothing(made.run.attempt) == ("rec_cart",)
    assert made.readiness.of("rec_cart").is_ready
    assert made.sources("rec_cart") == {"category"}


def test_the_lists_that_audiences_is_said_to_lack_are_not_in_it(made):
    kinds = {kind for (kind,) in made.shelf("audiences", "kind")}
    for lists in made.readiness.missing_lists:
        assert not kinds & LISTED[lists]
    assert ("lapses" in made.readiness.missing_lists) == (
        not made.readiness.of("user_churn_risk").is_ready
    )


def test_of_tags_that_are_not_made_nothing_is_said_to_stand_in(made):
    told = read_json(made.run.attempt.quality)["audience"]["tags_category"]
    if not made.readiness.of("user_interest_forecast").is_ready:
        assert (told["used"], told["told"].endswith("wanted; no tags are made")) == (None, True)


def test_a_table_about_users_is_empty_where_readiness_says_so_and_nowhere_else(made):
    for table in AUDIENCE:
        told = made.readiness.of(table)
        if table == "audiences" and told.is_ready:
            continue  # there may be nobody to write to
        assert bool(made.shelf(table, "user_id")) == (not told.may_be_empty), told.told
    forecast = made.readiness.of("user_interest_forecast")
    if forecast.published_instead == "last_month":
        assert made.sources("user_interest_forecast") == {"last_month"}


def test_everybody_who_took_something_has_a_profile_and_what_was_not_learnt_is_told(made):
    with duckdb.connect(str(made.run.attempt.database), read_only=True) as db:
        users = set(
            db.execute(
                "select user_id from marts.fct_interactions where left_on is null"
                " and cancelled_on is null and event_type = ?",
                [made.run.shop.events.target],
            ).fetchall()
        )
    assert set(made.shelf("user_profiles", "user_id")) == users
    about_users = read_json(made.run.attempt.quality)["audience"]
    for part in about_users.values():
        assert part["used"] or "wanted" in part["told"]


def test_a_list_by_category_offers_items_of_the_context_s_own_category(made):
    with duckdb.connect(str(made.run.attempt.database), read_only=True) as db:
        of = dict(db.execute("select item_id, category from marts.dim_items").fetchall())
    for shelf in ("rec_similar_items", "rec_bought_together", "rec_cart"):
        for source, context, item in made.shelf(shelf, "source, context_id, item_id"):
            assert source != "category" or of[context] == of[item] is not None


def test_everybody_has_a_list(made):
    with duckdb.connect(str(made.run.attempt.database), read_only=True) as db:
        users = set(db.execute("select user_id from marts.dim_users").fetchall())
    assert set(made.shelf("rec_for_you", "context_id")) == users


def test_what_the_log_lacks_is_named(made):
    of_users = set() if made.shop.tells_of_users else {"consent", "regions"}
    lacking = {g.gap for g in made.readiness.gaps if g.is_lacking}
    assert lacking == LACKING[made.shop.name] | of_users


def test_strangers_have_a_list_by_region_where_twenty_of_it_came_lately(made):
    regions = {
        r
        for kind, r in made.shelf("rec_cold_start", "context_type, context_id")
        if kind == "region"
    }
    # 30 newcomers of the north, 24 of the south, 6 of the west.
    assert regions == ({"north", "south"} if made.shop.tells_of_users else set())
    if regions:
        assert made.readiness.of("rec_cold_start").is_ready


def test_who_did_not_agree_to_be_written_to_is_in_no_audience_and_readiness_says_so(made):
    (told,) = (gap.told for gap in made.readiness.gaps if gap.gap == "consent")
    if not made.shop.tells_of_users:
        assert "`audiences` has everybody" in told
        return
    listed = {user for (user,) in made.shelf("audiences", "user_id")}
    agreed = {u["user"] for u in made.shop.users() if u["newsletter"] == "yes"}
    assert listed
    assert listed <= agreed
    assert told.startswith("67 of 90 users")
    assert told.endswith("the others are on no list of `audiences`")


def test_the_published_report_is_what_the_night_went_by(made):
    path = str(made.run.attempt.published / "rpt_readiness.parquet")
    told = duckdb.execute("select told from read_parquet(?)", [path]).fetchall()
    assert {row[0] for row in told} == {p.told for p in made.readiness.placements}


# ------------------------------------------------------------------ before a first night


def looked(shop: SmallShop, folder) -> Readiness:
    return looked_at(shop.write(folder))


def looked_at(shop_file: Path) -> Readiness:
    loaded, folder = load_shop(shop_file), shop_file.parent
    night = Night(NIGHT, loaded.zone)
    return look(Home(folder / "home"), loaded, shop_file, folder / "landing", night)


def test_a_look_before_the_first_night_agrees_with_the_night_and_leaves_no_attempt(
    night_of, tmp_path
):
    assert looked(NO_CATALOGUE, tmp_path) == night_of(NO_CATALOGUE).readiness
    assert not Home(tmp_path / "home").shop(NO_CATALOGUE.name).attempts.exists()


def test_the_command_says_it_in_words_and_needs_no_date(tmp_path):
    shop_file = NO_CATALOGUE.write(tmp_path)
    given = ["readiness", "--shop", str(shop_file), "--home", str(tmp_path / "home")]
    done = CliRunner().invoke(cli.app, given, catch_exceptions=False)
    assert done.exit_code == 0
    assert "bought together: 391 baskets of two or more items, 1,000 wanted" in done.output
    assert "no items with a category" in done.output


@pytest.mark.long
def test_a_target_that_never_happens_names_the_events_that_do(tmp_path):
    shop = dataclasses.replace(ONE_DAY, kinds=("view", "cart_add"))
    with pytest.raises(InputError, match=r"a 'purchase' .*: cart_add 75, view 75\.") as told:
        looked(shop, tmp_path)
    assert 'Set `target = "cart_add"` under [events]' in str(told.value)


@pytest.mark.long
def test_a_target_that_cleaning_drops_leads_to_the_rules_that_drop_it(tmp_path):
    shop_file = ONE_DAY.write(tmp_path)
    shop_file.write_text(shop_file.read_text() + "\n[cleaning]\nproduct_id_pattern = 'x'\n")
    with pytest.raises(InputError, match="which rule of `cleaning` drops them"):
        looked_at(shop_file)


def test_a_rule_without_its_column_is_told_before_the_first_night(tmp_path):
    shop_file = ONE_DAY.write(tmp_path)
    shop_file.write_text(shop_file.read_text() + "\n[rules]\nmin_margin = 0.1\n")
    with pytest.raises(SettingsError, match=r"rules.min_margin needs the cost of items"):
        looked_at(shop_file)


def test_a_catalogue_that_was_never_delivered_is_named_with_both_ways_out(tmp_path):
    ONE_DAY.write(tmp_path)
    (tmp_path / "landing" / "items.csv").unlink()
    with pytest.raises(InputError, match="Source 'items': no file matches") as told:
        looked_at(tmp_path / f"{ONE_DAY.name}.toml")
    assert "Put the exports there" in told.value.next_step
    assert "is left out of it" in told.value.next_step


def test_a_shelf_of_which_nothing_was_learnt_may_be_empty_unless_the_night_before_filled_it(
    night_of,
):
    attempt = night_of(STAPLES).run.attempt

    def rows_of_carts(n_rows: int) -> None:
        with connect(attempt.database, read_only=False) as db:
            db.execute(
                "update reports.rpt_shelves set n_rows = ? where shelf = 'rec_cart'", [n_rows]
            )

    def night(rows: int) -> SimpleNamespace:
        return SimpleNamespace(manifest={"tables": {"rec_cart.parquet": {"rows": rows}}})

    with connect(attempt.database) as db:
        (there,) = db.execute(
            "select n_rows from reports.rpt_shelves where shelf = 'rec_cart'"
        ).fetchone()
    rows_of_carts(0)
    try:
        due = ["rec_cart" in due_shelves(attempt, before) for before in (None, night(0), night(7))]
    finally:
        rows_of_carts(there)
    assert due == [False, False, True]


def test_the_doors_know_the_shop_file_and_which_files_are_gone(night_of):
    run = night_of(STAPLES).run
    placements, cleaning = run.shop.placements, run.shop.cleaning
    changed = {
        "placements": placements.model_copy(update={"k_similar": 3}),
        "cleaning": cleaning.model_copy(update={"max_quantity": 10**6, "max_price": 2e7}),
    }
    before = _door_context(run, "raw", None)
    (run.landing / "items.csv").rename(run.landing / "aside")
    try:
        shop = run.shop.model_copy(update=changed)
        after = _door_context(dataclasses.replace(run, shop=shop), "raw", None)
    finally:
        (run.landing / "aside").rename(run.landing / "items.csv")
    assert (before.lengths["rec_similar_items"], after.lengths["rec_similar_items"]) == (20, 3)
    assert (before.max_quantity, after.max_quantity) == (100_000, 10**6)
    assert (before.max_price, after.max_price) == (100_000, 2e7)
    assert (before.gone_files, len(after.gone_files)) == ((), 1)
