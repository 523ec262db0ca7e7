"""`nightshelf shelf` and `nightshelf explain`, on the trap shop's night."""

import csv
import re
import shutil
from dataclasses import replace
from runpy import run_path

import numpy as np
import pytest
from typer.testing import CliRunner

from nightshelf import cli, warehouse
from nightshelf.errors import InputError, SettingsError
from nightshelf.paths import PROJECT, Home
from nightshelf.publishing.nights import current
from nightshelf.tracing.events import events_of, ids_of, with_lines
from nightshelf.tracing.published import of_user
from nightshelf.tracing.ranked import ranked
from nightshelf.tracing.standing import why_not
from tests.support import trap_shop
from tests.support.trap_shop import HOSTILE, NIGHT

pytestmark = pytest.mark.long

USER = "user 02"


def told(night, *words, home=None):
    home = home or night.home
    given = ["--shop", str(night.shop_file), "--home", str(home.root)]
    done = CliRunner().invoke(cli.app, [*words, *given], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def rows_of(night, user=USER, placement="for_you"):
    return of_user(night.run.attempt.shop, current(night.run.attempt.shop), user, placement)


def pool_of(night, item, placement="for_you", user=USER):
    return ranked(night.run.attempt, night.run.night, placement, user, item)


def test_the_walkthrough_s_command_follows_an_item_to_its_lines(night, capsys):
    (row, *_) = rows_of(night)
    trace = run_path(str(PROJECT / "docs" / "example" / "trace.py"))
    trace["main"](night.run.attempt.shop.root, USER, row.item_id)
    shown = capsys.readouterr().out
    assert re.findall(r"^-- (.*)$", shown, re.M) == list(trace["STEPS"])
    assert row.item_id in shown.split("\n-- ")[-1]


def test_the_loop_s_page_shows_a_query_that_an_attempt_s_file_answers(night):
    (query,) = re.findall(
        r"^```sql\n([^`]*int_exposures[^`]*)^```$", (PROJECT / "docs" / "loop.md").read_text(), re.M
    )
    with warehouse.connect(night.run.attempt.database) as db:
        assert [d[0] for d in db.execute(query).description] == ["cut", "position", "n"]


@pytest.mark.parametrize("user", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_id_finds_its_shelf_and_leaves_the_terminal_alone(night, user):
    shown = told(night, "shelf", user, "--top", "2")
    assert "rec_for_you of 2015-04-01" in shown
    assert all(c.isprintable() for c in shown.replace("\n", ""))
    item = rows_of(night, user)[0].item_id
    explained = told(night, "explain", "--user", user, "--item", item)
    assert "rec_for_you holds it at rank 1" in explained
    assert all(c.isprintable() for c in explained.replace("\n", ""))


def test_a_shelf_shows_title_reason_source_and_propensity_of_each_slot(night):
    (row, *_) = rows_of(night)
    shown = told(night, "shelf", USER, "--placement", "rec_for_you", "--top", "1")
    cells = [c.strip() for c in shown.splitlines()[4].split("│")[1:-1]]
    assert cells[:3] == ["1", row.item_id, f"Title of {row.item_id}"]
    assert cells[4:] == [row.source, f"{row.score:.4f}", "1"]


def test_an_unknown_visitor_is_shown_what_sells_and_told_so(night):
    shown = told(night, "shelf", "nobody")
    assert "User 'nobody' has no shelf in the night of 2015-04-01." in shown
    assert "An unknown visitor is shown rec_cold_start:" in shown
    assert "rec_cold_start of 2015-04-01" in shown


def test_a_placement_or_night_that_was_not_published_is_refused_with_those_that_were(night):
    with pytest.raises(SettingsError, match=r"no placement 'wishes'.*\n.*Name one of for_you"):
        told(night, "shelf", USER, "--placement", "wishes")
    with pytest.raises(InputError, match="has published no night of 2015-04-02"):
        told(night, "shelf", USER, "--night", "2015-04-02")
    with pytest.raises(SettingsError, match="its lists are of items or of everybody"):
        told(night, "explain", "--user", USER, "--item", "item 00", "--placement", "popular")


def test_scores_and_order_told_are_those_that_were_published(night):
    """The pool is read and ranked again for one user, and gives what the night gave for all."""
    for placement in ("for_you", "discover"):
        rows = rows_of(night, placement=placement)
        found = pool_of(night, rows[0].item_id, placement)
        shelved = {row.item_id: row.score for row in rows}
        scored = dict(zip(found.pool.items[found.pool.item_codes], found.scores, strict=True))
        assert {i: scored[i] for i in shelved} == shelved
        assert [i for i in found.order if i in shelved] == list(shelved)


def test_what_is_not_on_a_shelf_fell_out_at_a_stage_that_is_named(night):
    attempt, k = night.run.attempt, night.run.shop.placements.k
    on_it = {row.item_id for row in rows_of(night)}

    def why(item, placement="for_you", user=USER, slots=k):
        found = pool_of(night, item, placement, user)
        return why_not(attempt, found, item, placement, user, with_slots(night.run.shop, slots))

    assert why("no such item") == "no catalogue line and no event before the night knows this item"
    assert why("item 38", user="nobody").startswith("nothing was proposed for this user")
    assert why(trap_shop.OUT_OF_STOCK).endswith("and withheld: it is out of stock")
    bought = next(i for u, i in sorted(night.log.bought) if u == USER)
    assert why(bought, "discover").startswith("the user has bought it")
    last = rows_of(night)[-1].item_id
    assert f"after the rules it is {len(on_it)} of " in why(last, slots=3)
    assert why(last, slots=3).endswith("and the shelf has 3 slots")


def with_slots(shop, k):
    return shop.model_copy(update={"placements": shop.placements.model_copy(update={"k": k})})


@pytest.mark.parametrize(("slots", "asked"), [(10, 30), (40, 40)])
def test_an_item_that_no_source_proposed_is_told_how_many_each_was_asked_for(night, slots, asked):
    item = rows_of(night)[0].item_id
    found = pool_of(night, item)
    (without,) = np.nonzero(found.pool.items[found.pool.item_codes] != item)
    found = replace(found, pool=found.pool.rows(without), matrix=None)
    shop = with_slots(night.run.shop, slots)
    told = why_not(night.run.attempt, found, item, "for_you", USER, shop)
    assert f"has it among the {asked} that each proposes" in told


def test_every_event_told_stands_on_its_line_of_its_file(night):
    landing = night.run.landing
    ids = ids_of(night.run.attempt, USER)
    items = sorted({i for u, i in night.log.bought if u == USER and i.isprintable()})
    found = events_of(night.run.attempt.shop, ids, items, night.run.night.instant)
    found = with_lines(night.run.attempt.shop, found, landing)
    assert {e.item_id for e in found} == set(items)
    for event in found:
        lines = (landing / event.file).read_text(encoding="utf-8").splitlines()
        assert lines[event.line - 1] == event.text
        (cells,) = csv.reader([event.text])
        assert (cells[2], cells[4]) == (USER, event.item_id)


def test_what_a_device_bought_before_the_login_is_among_the_user_s_events(night):
    user, device, item = trap_shop.JOINED
    assert device in ids_of(night.run.attempt, user)
    assert "phone" in told(night, "explain", "--user", user, "--item", item)


def test_without_the_attempt_s_folder_the_shelf_and_the_events_are_still_told(night, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(night.home.root / "shops", home.root / "shops", symlinks=True)
    shutil.rmtree(home.shop("trap").attempts)
    row = rows_of(night)[0]
    shown = told(night, "explain", "--user", USER, "--item", row.item_id, home=home)
    assert "rec_for_you holds it at rank 1" in shown
    assert "scores and sources are not known any more" in shown
    assert "The user's events with it" in shown
    assert "Titles are gone" in told(night, "shelf", USER, home=home)


def test_a_file_that_has_gone_or_changed_since_is_no_witness(night, tmp_path):
    landing = tmp_path / "landing"
    shutil.copytree(night.run.landing, landing)
    row = rows_of(night)[0]
    given = (night.run.attempt.shop, [USER], [row.item_id], night.run.night.instant)
    first, second, *_ = events_of(*given)
    (landing / first.file).unlink()
    with (landing / second.file).open("a") as file:
        file.write("one more line\n")
    found = with_lines(given[0], [first, second], landing)
    assert [(e.line, e.text) for e in found] == [(None, None), (None, None)]


def test_the_night_of_another_date_is_asked_for_by_its_date(night):
    assert f"Night {NIGHT}" in told(
        night, "explain", "--user", USER, "--item", "item 00", "--night", str(NIGHT)
    )
