"""The history that nights share: built a day at a time, and equal to one built at once."""

import shutil

import duckdb
import pytest

from nightshelf.paths import Home
from nightshelf.steps import STEPS, open_night
from tests.support import trap_shop

pytestmark = pytest.mark.long

TABLES = {
    "history.main_intermediate.int_copies_found": "* exclude (day_fingerprint)",
    "history.main_intermediate.int_session_parts": "* exclude (day_fingerprint)",
    "history.main_intermediate.int_robots_found": "*",
    "history.main_intermediate.int_sessions_by_date": "*",
    "history.main_intermediate.int_interactions_by_date": "*",
    "intermediate.int_events_deduplicated": "*",
    "marts.fct_sessions": "*",
    "marts.fct_interactions": "*",
    "marts.fct_basket_items": "*",
    "marts.dim_items": "*",
    "features.feat_user_item": "*",
}


def features(home, shop_file):
    """A new attempt as far as the features; returns its tables."""
    run = open_night(home, shop_file, trap_shop.NIGHT)
    for step in ("ingest", "door_raw", "features"):
        STEPS[step](run)
    with duckdb.connect(str(run.attempt.database), read_only=True) as db:
        path = str(run.attempt.shop.warehouse).replace("'", "''")
        db.execute(f"attach '{path}' as history (read_only)")
        ((schema,),) = db.execute(
            "select schema_name from duckdb_tables() where database_name = 'history'"
            " and table_name = 'int_copies_found'"
        ).fetchall()
        return {
            table: db.execute(
                f"select {what} from {table.replace('main_intermediate', schema)} order by all"
            ).fetchall()
            for table, what in TABLES.items()
        }


@pytest.fixture
def landed(stepwise, tmp_path):
    """A copy of a shop that has a history, and its landing files after some were restated."""
    shutil.copytree(stepwise.home.root / "shops", tmp_path / "home" / "shops", symlinks=True)
    shutil.copytree(stepwise.shop_file.parent / "landing", tmp_path / "landing")
    # An emptied day is what the first door refuses unless it is meant.
    meant = f'\n[doors]\nlearn_from = "{trap_shop.NIGHT}"\n'
    (tmp_path / stepwise.shop_file.name).write_text(stepwise.shop_file.read_text() + meant)
    orders = tmp_path / "landing" / "orders"
    header, *lines = (orders / "2015-02-05.csv").read_text().splitlines(keepends=True)
    (orders / "2015-02-05.csv").write_text(header)  # the day had no sales after all
    (orders / "2015-02-06.csv").write_text(header + "".join(lines).replace("02-05", "02-06"))
    (orders / "z-later.csv").write_text(header + lines[0].replace("02-05", "01-09"))
    return tmp_path


def test_restated_emptied_and_late_days_end_like_a_history_built_at_once(landed, stepwise):
    shop_file = landed / stepwise.shop_file.name
    by_days = features(Home(landed / "home"), shop_file)
    at_once = features(Home(landed / "fresh"), shop_file)
    for table in TABLES:
        assert by_days[table], table
        assert by_days[table] == at_once[table], table
