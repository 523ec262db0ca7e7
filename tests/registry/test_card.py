"""The model card: what it says, and that nothing in it is markup but its own."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshelf.registry.card import COLUMNS, OF_LISTS, Card, prose, quoted, shortened

HOSTILE = "Tea & <img src=x onerror=alert(1)> `|` [here](javascript:alert(1))\n# Free 👑\x1b[31m"


def row(name: str, value: float) -> dict:
    figures = dict.fromkeys((*COLUMNS, *OF_LISTS, "ndcg@10/users/cold"), value)
    return {
        "name": name,
        **figures,
        "intervals": {m: [value - 0.1, value + 0.1, 7] for m in figures},
    }


def card(**changes) -> Card:
    given = {
        "model": "shop-for_you",
        "shop": "The Shop",
        "placement": "for_you",
        "view": "all",
        "verdict": "Promoted",
        "why": "better than own_history: +0.1 [+0.05, +0.15]",
        "made_by": [("source", "ranker"), ("n_features", 33)],
        "made_of": [("interactions", "12 rows")],
        "window": "2015-03-18 to 2015-03-31",
        "n_users": 1234,
        "of": "ranker",
        "contenders": [row("own_history", 0.2), row("ranker", 0.3)],
        "cohorts": [("cold", "no or one date", "ndcg@10/users/cold")],
        "limits": ["For cold users it is worse than popularity"],
        "reproduce": [("git commit", "abc")],
    }
    return Card(**(given | changes))


def test_a_card_says_what_it_is_how_it_was_measured_and_for_whom_it_is_weak():
    text = card().markdown()
    assert text.startswith("# shop-for\\_you\n")
    assert "**Promoted**: better than own\\_history: +0.1 \\[+0.05, +0.15\\]." in text
    assert "On 1,234 users who took something in 2015-03-18 to 2015-03-31" in text
    assert "| **`ranker`** | 0.3000 (0.2000–0.4000) | 0.3000 |" in text
    assert "| cold | no or one date | ndcg@10 | 7 | 0.3000 (0.2000–0.4000) |" in text
    assert "- For cold users it is worse than popularity" in text


def test_every_cohort_has_the_baselines_and_the_champion_beside_this_version():
    rows = [
        row(name, value) for name, value in (("svd", 0.1), ("ranker", 0.3), ("popularity", 0.2))
    ]
    beside = ("own_history", "popularity", "champion", "ranker")
    text = card(contenders=rows, beside=beside).markdown()
    assert "| cohort | who or what | figure | users | this version | `popularity` |" in text
    assert "| ndcg@10 | 7 | 0.3000 (0.2000–0.4000) | 0.2000 (0.1000–0.3000) |" in text


def test_the_best_contender_comes_first():
    names = re.findall(r"^\| \**(`\w+`)\** \|", card().markdown(), re.M)
    assert names == ["`ranker`", "`own_history`"] * 2


def test_what_is_undefined_is_a_dash():
    text = card(contenders=[row("ranker", math.nan)]).markdown()
    assert "| **`ranker`** | –  | – |" in text
    assert "nan" not in text


def test_a_hostile_shop_is_quoted_whole():
    text = card(shop=HOSTILE, made_of=[("first item", HOSTILE)]).markdown()
    outside = re.sub(r"`[^`]*`", "", text)
    assert not re.search(r"<|javascript|onerror|\x1b|Free", outside)
    assert "\x1b" not in text


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def test_a_hostile_cohort_does_not_break_the_table():
    rows = card(cohorts=[("cold", HOSTILE, "ndcg@10/users/cold")]).markdown().splitlines()
    (line,) = [r for r in rows if r.startswith("| cold")]
    assert cells(line) == 6
    assert "<img" not in line


@given(st.text(max_size=200))
def test_quoted_text_is_one_code_span_on_one_line(text):
    found = quoted(text)
    assert found == "–" or re.fullmatch(r"`[^`\n\r|]+`", found)
    assert len(found) <= 82


@given(st.text(max_size=100))
def test_prose_holds_no_markup(text):
    found = prose(text)
    assert "\n" not in found
    assert not re.search(
        r"(?<!\\)(?:\\\\)*[`*_\[\]|#~<>]", found.replace("&lt;", "").replace("&gt;", "")
    )


@pytest.mark.parametrize("limit", [300, 1000, 5000])
def test_a_long_card_is_cut_between_lines_and_says_so(limit):
    text = card(limits=["x" * 40] * 200).markdown()
    found = shortened(text, limit)
    assert len(found) <= limit
    assert found.endswith("the whole card is `model_card.md` among the run's artefacts.*\n")
    kept = found.rsplit("\n\n*Shortened", 1)[0]
    assert text.startswith(kept + "\n")


def test_a_card_that_fits_is_left_as_it_is():
    assert shortened(card().markdown(), 5000) == card().markdown()
