"""The page as a file: its figures are the tables', strangers' text stays text, and it needs nobody."""

from __future__ import annotations

import re
from html import escape

import duckdb

from nightshelf.morning import write_page
from nightshelf.publishing.nights import PublishedNight, damage
from tests.morning.conftest import Page
from tests.support.morning import ATTACK, EVENTS, N_RANKS, N_USERS, NDCG, SHOP, TITLES

PARTS = ["top", "shelves", "quality", "data", "readiness", "users", "rules", "run"]


def of_tables(attempt, sql: str):
    """A query over the published files, in which a table is a name in braces."""
    named = re.sub(r"\{(\w+)\}", rf"read_parquet('{attempt.published}/\1.parquet')", sql)
    return duckdb.execute(named).fetchall()


# ------------------------------------------------------------------ figures


def test_the_verdict_names_what_asks_for_attention(page):
    told = page.part("top")
    assert "It worked, with something to look at" in told
    assert "Readers see these shelves. 2 things to look at." in told
    assert "2 rows in quarantine." in told  # of three, one was set aside
    assert "Cart: 7 baskets, 1,000 wanted." in told


def test_users_served_are_those_of_the_table(page, attempt):
    ((served,),) = of_tables(attempt, "select count(distinct context_id) from {rec_for_you}")
    assert f"Users with a list {served} of {N_USERS} who" in page.part("top")


def test_a_shelf_is_told_by_its_rows_lists_items_bestsellers_and_what_stayed(page, attempt):
    ((rows, lists, items, share),) = of_tables(
        attempt,
        "select count(*), count(distinct context_id), count(distinct item_id),"
        " avg((source = 'popularity')::int) from {rec_for_you}",
    )
    assert (rows, lists) == (N_USERS * N_RANKS, N_USERS)
    told = f"rec_for_you {lists} as before {rows} {items} {share * 100:.1f} % 67 %"
    assert told in page.part("shelves")


def test_quality_stands_beside_baselines_and_last_night(page):
    told = page.part("quality")
    assert "Ranked by ranker, version 7, promoted tonight." in told
    assert "ranker serves 0.4000 0.350 to 0.450" in told
    assert "own_history baseline 0.3000 0.250 to 0.350" in told
    assert "ranker last night 0.4000" in told
    assert told.index("0.4000") < told.index("0.3000") < told.index(f"{NDCG['popularity']:.4f}")


def test_rows_read_are_accepted_plus_quarantined(page):
    told = page.part("data")
    assert (
        "1 file, 1,000 rows read = 997 accepted + 3 quarantined, of which 1 row set aside" in told
    )
    assert "bad_timestamp 2 1" in told


def test_events_are_those_of_the_report(page):
    told = (
        f"orders 1,000 {EVENTS['n_copies']} {EVENTS['n_after_night']} {EVENTS['n_kept']} 200 robots"
    )
    assert told in page.part("data")


def test_drift_segments_and_risks_are_those_of_the_tables(page, attempt):
    told = page.part("users")
    assert "0.25 Oct 2017" in told
    assert "TOYS ▲ 4" in told
    for segment, n in of_tables(
        attempt, "select segment, count(*) from {user_segments} group by 1 order by 1"
    ):
        assert f"{segment} {ATTACK} {n} 50.0 %" in told
    assert "high 3 25.0 %" in told


def test_a_rule_that_changes_nothing_is_only_counted(page):
    told = page.part("rules")
    assert "1 more rule changed no list." in told
    assert "rec_for_you cap brand 25.0 % −0.1000 −10.0 %" in told


def test_exploring_slots_are_those_of_the_table(page, attempt):
    ((n,),) = of_tables(attempt, "select count(*) from {rec_for_you} where is_exploration")
    assert f"rec_for_you {n} 33.3 % {N_USERS} 0.5000" in page.part("rules")


def test_time_is_the_sum_of_the_steps(page):
    assert "2 min 25 s and 509 MB at most; last night 2 min 25 s" in page.part("top")


def test_the_lists_it_carries_are_the_published_ones(page, attempt):
    carried = page.lists
    assert carried["kinds"]["user"] == {"shown": N_USERS, "of": N_USERS}
    (found,) = (one for one in carried["lists"] if one[:2] == ["user", 'quo"te'])
    ((shelf, slots),) = found[2]
    assert carried["shelves"][shelf] == "rec_for_you"
    expected = of_tables(
        attempt,
        "select item_id, is_exploration::int from {rec_for_you} where context_id = 'quo\"te' order by rank",
    )
    shown = [(carried["items"][item][1], exploring) for item, _, _, exploring in slots]
    assert shown == [(TITLES[item], exploring) for item, exploring in expected]


def test_lists_beyond_the_limit_are_left_out_and_the_page_says_so(attempt, monkeypatch):
    from nightshelf.morning import page as pages
    from nightshelf.morning import shelves
    from nightshelf.morning.opened import opened

    monkeypatch.setitem(shelves.MOST, "user", 5)
    monkeypatch.setitem(shelves.SLOTS, "user", 2)
    with opened(SHOP, attempt) as of:
        text = pages.render(of)
    assert f"5 of {N_USERS} users" in " ".join(text.split())
    users = [one for one in Page(text).lists["lists"] if one[0] == "user"]
    assert [len(slots) for _, _, on in users for _, slots in on] == [2] * 5


# ------------------------------------------------------------------ safety


def test_what_strangers_wrote_stays_text(page):
    assert ATTACK not in page.html
    assert escape(ATTACK, quote=False).replace('"', "&#34;").replace("'", "&#39;") in page.html
    assert page.all("img") == []
    assert len(page.all("script")) == 2  # the lists and the page's own


def test_a_title_is_no_template(page):
    assert any("{{ 7 * 7 }}" in title for _, title in page.lists["items"])


def test_no_control_or_direction_character_is_on_the_page(page):
    odd = {c for c in page.html if not c.isprintable() and c != "\n"}
    assert odd == set()
    assert "\\u202e" not in page.html


def test_it_names_no_other_host_and_forbids_itself_to_ask_any(page):
    asking = [n for n in page.nodes if {"src", "href", "action", "data", "poster"} & set(n.attrs)]
    where = {v for n in asking for k, v in n.attrs.items() if k in ("src", "href")}
    assert {w for w in where if not w.startswith("#")} == {"data:,"}
    assert not re.search(r"@import|url\(", page.html)
    (policy,) = (n for n in page.all("meta") if "http-equiv" in n.attrs)
    assert policy.attrs["content"].startswith("default-src 'none'")


def test_the_script_never_sets_markup():
    from nightshelf.morning.page import HERE

    script = (HERE / "page.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


# ------------------------------------------------------------------ for everybody


def test_headings_descend_one_level_at_a_time(page):
    levels = [int(n.tag[1]) for n in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_every_part_is_in_the_navigation_and_has_a_heading_of_its_own(page):
    sections = page.all("section")
    assert [s.attrs["id"] for s in sections] == PARTS
    ids = {n.attrs["id"] for n in page.nodes if "id" in n.attrs}
    assert {s.attrs["aria-labelledby"] for s in sections} <= ids
    links = [n.attrs["href"][1:] for n in page.all("a")]
    assert set(PARTS) <= set(links) <= ids


def test_ids_are_unique(page):
    ids = [n.attrs["id"] for n in page.nodes if "id" in n.attrs]
    assert len(ids) == len(set(ids))


def test_pictures_are_hidden_from_screen_readers_and_stand_beside_their_number(page):
    assert all(n.attrs.get("aria-hidden") == "true" for n in page.all("svg"))
    headings = [n for n in page.all("th") if "picture" in n.attrs.get("class", "")]
    assert headings and all("picture" in n.text for n in headings)


def test_every_table_has_headings_and_scrolls_in_a_region_with_a_name(page):
    tables = [n for n in page.all("table") if n.attrs.get("role") != "presentation"]
    regions = [n for n in page.all("div") if n.attrs.get("class") == "scroll"]
    assert len(regions) == len(tables)
    assert all(n.attrs["aria-label"] and n.attrs["tabindex"] == "0" for n in regions)
    assert all("scope" in n.attrs for n in page.all("th"))


# ------------------------------------------------------------------ beside the tables


def test_a_night_with_its_page_is_whole(attempt):
    assert damage(PublishedNight(attempt.night, attempt.number, attempt.published)) == []


def test_the_same_night_has_the_same_page(attempt, file):
    before = file.read_bytes()
    write_page(SHOP, attempt)
    assert file.read_bytes() == before
