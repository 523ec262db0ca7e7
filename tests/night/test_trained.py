"""What training leaves is read by later steps as it was left, or not at all."""

from datetime import date

import numpy as np
import pytest

from nightshelf.candidates import save_npz
from nightshelf.errors import ModelError, StorageError
from nightshelf.learning import trained
from nightshelf.learning.scoring import read_recipes
from nightshelf.paths import Home
from nightshelf.pinned.settings import pin, pinned
from nightshelf.ranking.proposals import Proposals, write_proposals
from nightshelf.settings.models import ModelSettings
from nightshelf.storage import read_left, write_json
from tests.support.examination import examination

POOL = examination().pool
PROPOSALS = Proposals(
    POOL.users, POOL.items, POOL.user_codes, POOL.item_codes, POOL.scores, {"all": POOL.ranks}
)


@pytest.fixture
def attempt(tmp_path):
    """An attempt at a night, begun and trained."""
    home = Home(tmp_path)
    made = home.shop("corner").attempt(date(2015, 4, 1), 1)
    pin(home, "corner", made)
    leave(made, "new")
    return made


def leave(attempt, *more: str) -> None:
    """As a training does that has labels of these views."""
    trained.clear(attempt)
    write_json(attempt.models / "rankers.json", {"all": {"files": {}}})
    write_proposals(attempt.candidates / "serve.parquet", PROPOSALS)
    save_npz(attempt.models / "labels_all.npz", {"users": np.arange(3)})
    for view in more:
        save_npz(attempt.models / f"labels_{view}.npz", {"users": np.arange(3)})
        write_proposals(attempt.candidates / "evaluate.parquet", PROPOSALS)
    trained.seal(attempt)


def test_what_was_left_is_read_as_it_was_left(attempt):
    assert trained.told(attempt, "rankers.json") == {"all": {"files": {}}}
    assert trained.arrays(attempt, "labels_all")["users"].tolist() == [0, 1, 2]
    assert trained.arrays(attempt, "labels_old") is None
    pool = trained.pool(attempt, "serve", "all")
    assert pool.scores["popularity"].tolist() == POOL.scores["popularity"].tolist()


READERS = {
    "models/rankers.json": lambda attempt: trained.told(attempt, "rankers.json"),
    "models/labels_all.npz": lambda attempt: trained.arrays(attempt, "labels_all"),
    "models/trained.json": lambda attempt: trained.arrays(attempt, "labels_all"),
    "candidates/serve.parquet": lambda attempt: trained.pool(attempt, "serve", "all"),
    "candidates/serve.users.parquet": lambda attempt: trained.pool(attempt, "serve", "all"),
    "candidates/evaluate.items.parquet": lambda attempt: trained.pool(attempt, "evaluate", "all"),
}
DAMAGES = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other bytes": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "a list": lambda path: path.write_text("[1]"),
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named_with_the_step_that_writes_it(attempt, name, how):
    path = attempt.root / name
    DAMAGES[how](path)
    with pytest.raises(ModelError) as told:
        READERS[name](attempt)
    assert str(path) in told.value.what
    assert told.value.next_step.startswith("Run `nightshelf train` again")


def test_a_pool_that_training_did_not_leave_is_not_read(attempt):
    leave(attempt)
    write_proposals(attempt.candidates / "evaluate.parquet", PROPOSALS)
    with pytest.raises(ModelError, match=r"evaluate\.users\.parquet is none of the files"):
        trained.pool(attempt, "evaluate", "all")


def test_a_training_run_again_leaves_nothing_of_the_one_before_but_the_settings(attempt):
    before = pinned(attempt)
    leave(attempt, "new")
    leave(attempt)
    assert trained.arrays(attempt, "labels_new") is None
    there = {p.name for p in (*attempt.models.iterdir(), *attempt.candidates.iterdir())}
    assert not {name for name in there if "_new" in name or "evaluate" in name}
    assert pinned(attempt) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"sha256": 3}', "\x00"])
def test_settings_json_that_is_damaged_ends_the_attempt(attempt, text):
    (attempt.models / "settings.json").write_text(text)
    with pytest.raises(StorageError, match=r"settings\.json is not what this attempt") as told:
        pinned(attempt)
    assert told.value.next_step.startswith("Begin a new attempt")


def test_settings_that_were_never_pinned_are_the_files(attempt):
    (attempt.models / "settings.json").unlink()
    assert pinned(attempt).settings == ModelSettings.of_files()


def test_what_a_step_left_damaged_names_file_and_step(attempt):
    path = attempt.root / "decision.json"
    for text in (None, "{"):
        if text:
            path.write_text(text)
        with pytest.raises(StorageError, match=r"decision\.json cannot be read") as told:
            read_left(path, "evaluate")
        assert told.value.next_step.startswith("Run `nightshelf evaluate` again")
    with pytest.raises(StorageError, match=r"serving\.json cannot be read"):
        read_recipes(attempt)
