"""Pictures are drawn whatever names and gaps the data has."""

import io
import math

import numpy as np
import pytest

from nightshelf.evaluation.curves import calibration, precision_recall
from nightshelf.registry import pictures

HOSTILE = r"$\frac{1}{0$ <b> %s {x} \alpha $ 👑" + "x" * 200
THREE = (0.2, 0.1, 0.3)
NOTHING = (math.nan,) * 3
CHANCES = np.random.default_rng(1).random(500)
TAKEN = CHANCES > 0.7

PICTURES = {
    "ndcg": pictures.ndcg_picture({"ranker": [0.1, 0.2], HOSTILE: [math.nan, math.nan]}),
    "intervals": pictures.intervals_picture({"ranker": THREE, HOSTILE: NOTHING}, "ndcg@10"),
    "cohorts": pictures.cohorts_picture(
        {HOSTILE: {"ranker": THREE, HOSTILE: NOTHING}, "cold": {"ranker": NOTHING}}, "ndcg@10"
    ),
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


def test_the_most_important_features_come_first():
    figure = pictures.importance_picture({f"f{n}": n / 100 for n in range(50)}, "gain")
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == [f"f{n}" for n in range(49, 29, -1)]
