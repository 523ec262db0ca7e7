"""search.toml: what it says is searched, and what is wrong in it is named."""

import pytest

from nightshelf.errors import SettingsError
from nightshelf.settings.models import ModelSettings
from nightshelf.tuning.space import RANKER, changes_of, read_space, values_of

FILES = ModelSettings.of_files()


def written(tmp_path, text: str):
    path = tmp_path / "search.toml"
    path.write_text(text)
    return path


def test_our_own_file_can_be_searched_and_names_every_source():
    from nightshelf.candidates import MODELS

    assert set(read_space(FILES)) == {*MODELS, RANKER}


def test_a_range_says_between_what_and_how(tmp_path):
    path = written(
        tmp_path,
        "[ease]\nregularization = { low = 5, high = 500.0, log = true }\n"
        '[svd]\nweighting = { choices = ["none", "tfidf"] }\nfactors = { low = 8, high = 64 }\n',
    )
    space = read_space(FILES, path)
    (ease,) = space["ease"]
    assert (ease.name, ease.kind, ease.ends(), ease.log) == (
        "ease.regularization", "float", (5, 500.0), True,
    )  # fmt: skip
    weighting, factors = space["svd"]
    assert (weighting.choices, factors.kind) == (("none", "tfidf"), "int")


def test_the_three_tables_of_the_ranker_are_one_subject(tmp_path):
    text = "[logistic]\nc = { low = 0.1, high = 1.0 }\n[boosting]\nleaves = { low = 4, high = 8 }\n"
    space = read_space(FILES, written(tmp_path, text))
    assert {name: [r.name for r in ranges] for name, ranges in space.items()} == {
        RANKER: ["logistic.c", "boosting.leaves"]
    }


@pytest.mark.parametrize("text", ["", "[ials]\n", "[logistic]\n[boosting]\n"])
def test_a_file_that_names_no_range_searches_nothing(tmp_path, text):
    assert read_space(FILES, written(tmp_path, text)) == {}


def test_what_a_range_holds_of_the_settings_can_be_put_back():
    ranges = read_space(FILES)["ials"]
    changes = changes_of(ranges, values_of(ranges, FILES))
    assert FILES.changed(changes, "") == FILES


WRONG = {
    "[nobody]\nfactors = { low = 1, high = 2 }": r"search\.toml: unknown model nobody",
    "[ials]\nfactrs = { low = 1, high = 2 }": r"search\.toml \[ials\]: unknown key factrs",
    "[bought_together]\ndays = { low = 1, high = 2 }": "unknown model bought_together",
    "[ials]\nfactors = 64": r"\[ials\] factors = 64: must be a range",
    "[ials]\nfactors = { low = 8 }": "`high` must be int",
    "[ials]\nfactors = { low = 8.5, high = 64 }": "`low` must be int",
    "[ials]\nfactors = { low = 64, high = 8 }": "low must be below high",
    "[ials]\nregularization = { low = 0, high = 1, log = true }": "above 0 where log = true",
    "[ials]\nregularization = { low = 0.1, high = 1, step = 2 }": "unknown word step",
    "[svd]\nweighting = { low = 0, high = 1 }": r"weighting .*must be str",
    '[svd]\nweighting = { choices = ["none"] }': "two or more of str",
    '[svd]\nweighting = { choices = ["none", 3] }': "two or more of str",
    '[svd]\nweighting = { choices = ["none", "bm25"] }': r"\[svd\] weighting reaches to 'bm25'",
    '[svd]\nweighting = { choices = ["none", "none"] }': "none twice",
    "[svd]\nfactors = { low = 8, high = 8 }": r"\[svd\] factors .*low must be below high",
    "[ease]\nregularization = { choices = [5, 5.0] }": r"\[ease\] regularization .*none twice",
    "[ease]\nregularization = { low = 1.0, high = inf }": "regularization reaches to inf: .*finite",
    "[ease]\nregularization = { low = nan, high = 9.0 }": "low must be below high",
    "[ease]\nregularization = { choices = [1.0, nan] }": "regularization reaches to nan: .*finite",
    "[user_knn]\nown_weight = { low = 0.0, high = 2.0 }": "own_weight reaches to 2.0: .*from 0 to 1",
    "[rp3beta]\nreturns = { low = 0, high = 1 }": "returns",
    "ials = 3": "ials = 3: must be a table",
    "[ials": r"search\.toml: ",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_with_file_and_key(tmp_path, text):
    with pytest.raises(SettingsError, match=WRONG[text]) as told:
        read_space(FILES, written(tmp_path, text))
    assert "search.toml" in told.value.what


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(SettingsError, match="absent.toml"):
        read_space(FILES, tmp_path / "absent.toml")
