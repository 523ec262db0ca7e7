"""What the page says of landing files: each content once, by its last taking."""

from __future__ import annotations

from types import SimpleNamespace

from nightshelf.morning.data import bands, read
from tests.support.landing import GOOD, MAP, Landing


def test_a_file_that_was_read_again_by_a_mended_mapping_counts_once(tmp_path):
    Landing(tmp_path, [MAP | {"event_types": {}}]).put(
        "a.csv", [GOOD, GOOD.replace("sale", "gift")]
    )
    Landing(tmp_path, [MAP | {"event_types": {}}]).ingest()
    mended = Landing(tmp_path)
    mended.ingest()
    (file,) = mended.ledger.files()
    assert len(mended.ledger.files(current=False)) == 2
    night = SimpleNamespace(
        manifest={"inputs": {f"{file.source}:{file.name}": file.sha256}},
        attempt=SimpleNamespace(shop=mended.home),
        rows=lambda sql, *given: [],
    )
    told = read(night)
    assert (told["n_files"], told["rows_read"], told["quarantined"]) == (1, 2, 1)


def test_a_figure_that_nobody_judged_is_not_outside_its_band():
    verdicts = (
        "within",
        "above",
        "a quiet or closed day: not judged",
        "too few days to learn from",
    )
    figure = {"day": "2017-11-30", "low": None, "high": None, "observed": 1.0, "usual": 1.0}
    listed = [figure | {"key": verdict, "verdict": verdict} for verdict in verdicts]
    night = SimpleNamespace(
        doors={"raw": {"rules": [{"listed": listed}]}},
        shop=SimpleNamespace(events=SimpleNamespace(target="purchase")),
    )
    found = bands(night)
    assert (found["n_figures"], found["n_outside"]) == (4, 1)
    assert [f["verdict"] for f in found["shown"]] == ["above"]
