"""Pictures are drawn whatever names and gaps the data has."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text

from nightshelf.evaluation.curves import calibration, precision_recall
from nightshelf.registry import pictures

HOSTILE = r"$\frac{1}{0$ <b> %s {x} \alpha $ 👑" + "x" * 200
THREE = (0.2, 0.1, 0.3)
ROLES = {
    "popularity": pictures.SERVES,
    "champion": pictures.BEFORE,
    "own_history": pictures.BASELINE,
}
MANY = {f"source_{n}": [0.2, 0.2 + n / 1e6] for n in range(16)} | {
    name: [0.1, 0.2] for name in (*ROLES, "ranker")
}
NOTHING = (math.nan,) * 3
CHANCES = np.random.default_rng(1).random(500)
TAKEN = CHANCES > 0.7

PICTURES = {
    "ndcg": pictures.ndcg_picture({"ranker": [0.1, 0.2], HOSTILE: [math.nan, math.nan]}, {}),
    "ndcg of nobody": pictures.ndcg_picture({HOSTILE: [math.nan]}, {}),
    "many ends": pictures.ndcg_picture(MANY, {HOSTILE: pictures.SERVES, **ROLES}),
    "intervals": pictures.intervals_picture({"ranker": THREE, HOSTILE: NOTHING}, "ndcg@10", ROLES),
    "cohorts": pictures.cohorts_picture(
        {HOSTILE: {"ranker": THREE, HOSTILE: NOTHING}, "cold": {"ranker": NOTHING}},
        "ndcg@10",
        ROLES,
    ),
    "no cohorts": pictures.cohorts_picture({}, "ndcg@10", ROLES),
    "calibration": pictures.calibration_picture(calibration(CHANCES, TAKEN)),
    "never taken": pictures.calibration_picture(calibration(CHANCES, TAKEN & False)),
    "precision_recall": pictures.precision_recall_picture(precision_recall(CHANCES, TAKEN)),
    "importances": pictures.importance_picture({HOSTILE: 0.3, "b": -0.5}, "gain"),
    "no importances": pictures.importance_picture({}, "gain"),
    "dependence": pictures.partial_dependence_picture(
        {HOSTILE: {"grid": [0.0, 1.0], "mean": [0.1, 0.2]}, "b": {"grid": [1.0], "mean": [0.1]}}
    ),
    "history": pictures.history_picture([1.0, None, 1.02], 1.01),
    "no trial ended": pictures.history_picture([None], 1.01),
    "no dependence": pictures.partial_dependence_picture({}),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_picture_is_a_png(name):
    hold = io.BytesIO()
    PICTURES[name].savefig(hold, format="png")
    assert hold.getvalue().startswith(b"\x89PNG")


def test_a_name_is_drawn_letter_by_letter():
    assert pictures.plain("$x$") == r"\$x\$"
    assert pictures.plain("a\nb\x1b") == "a·b·"
    assert len(pictures.plain("y" * 500)) == 40


def drawn_as(figure) -> dict[str, tuple]:
    """The name that stands by a line → (colour, line style)."""
    axes = figure.axes[0]
    names = [text.get_text() for text in axes.texts]
    lines = sorted(axes.lines, key=lambda line: line.get_ydata()[-1])
    return {
        n: (line.get_color(), line.get_linestyle()) for n, line in zip(names, lines, strict=True)
    }


def test_who_serves_is_drawn_in_colour_and_a_ranker_that_does_not_is_as_grey_as_the_others():
    ends = {"ranker": 0.1, "item_knn": 0.2, "own_history": 0.3, "popularity": 0.4, "champion": 0.5}
    found = drawn_as(pictures.ndcg_picture({n: [0.2, end] for n, end in ends.items()}, ROLES))
    assert found["popularity, serves"] == (pictures.ACCENT, "-")
    assert found["champion before"] == (pictures.INK, "--")
    assert found["own_history, best baseline"] == (pictures.INK, ":")
    assert found["ranker"] == found["item_knn"] == (pictures.GREY, "-")


def test_a_champion_that_serves_is_not_called_the_one_before():
    figure = pictures.intervals_picture(
        {"champion": THREE, "ranker": THREE}, "ndcg@10", {"champion": pictures.SERVES}
    )
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["champion, serves", "ranker"]


def test_names_at_the_ends_of_twenty_equal_lines_do_not_overlap():
    figure = pictures.ndcg_picture(MANY, ROLES)
    figure.savefig(io.BytesIO(), format="png")
    boxes = sorted((Text.get_window_extent(t) for t in figure.axes[0].texts), key=lambda b: b.y0)
    assert len(boxes) == len(MANY)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))


def test_places_are_apart_within_their_bounds_and_near_what_was_wanted():
    assert pictures.apart([0.1, 0.5, 0.9], 0.1, 0, 1) == pytest.approx([0.1, 0.5, 0.9])
    assert pictures.apart([0.5, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.4, 0.5, 0.6])
    assert pictures.apart([0.0, 0.0], 0.1, 0, 1) == pytest.approx([0.0, 0.1])
    assert pictures.apart([1.0, 1.0, 1.0], 9, 0, 1) == pytest.approx([0.0, 0.5, 1.0])


def test_a_cohort_has_a_panel_with_every_contender_by_name():
    cohorts = {
        f"{who} users (7)": {"ranker": THREE, "popularity": THREE} for who in ("cold", "new")
    }
    figure = pictures.cohorts_picture(cohorts, "ndcg@10", ROLES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(cohorts)
    for axes in figure.axes:
        names = [t.get_text() for t in axes.get_yticklabels()]
        assert names == ["ranker", "popularity, serves"]


@pytest.mark.parametrize("name", ["precision_recall", "calibration", "history"])
def test_a_legend_stands_above_the_curves(name):
    figure = PICTURES[name]
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1


def test_the_most_important_features_come_first():
    figure = pictures.importance_picture({f"f{n}": n / 100 for n in range(50)}, "gain")
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == [f"f{n}" for n in range(49, 29, -1)]
