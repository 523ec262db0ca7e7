"""What is wrong in a file of model settings is named with file, table and key."""

import pytest

from nightshelf.audience import settings as audience
from nightshelf.errors import SettingsError
from nightshelf.settings import models
from nightshelf.settings.models import ModelSettings

WRONG = {
    "[svd]\nfactor = 3": r"\[svd\]: unknown key factor",
    "[svd]\nfactors = 'x'": r"\[svd\] factors = 'x': must be int",
    "[svd]\nfactors = 0": r"\[svd\] factors = 0: must be",
    "[nobody]\nfactors = 0": "unknown model nobody",
    "svd = 3": "svd = 3: must be a table",
    "[svd": "Expected",
    "[popularity]\nwindow_days = 1000000000": r"\[popularity\] window_days = 1000000000: must be",
    "[ease]\nregularization = 1e308": r"\[ease\] regularization = 1e\+308: must be",
    "[ials]\nregularization = 1e308": r"\[ials\] regularization = 1e\+308: must be",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_in_the_models_file_is_named_once(tmp_path, monkeypatch, text):
    path = tmp_path / "models.toml"
    path.write_text(text)
    monkeypatch.setattr(models, "MODELS_TOML", path)
    with pytest.raises(SettingsError, match=WRONG[text]) as told:
        ModelSettings.of_files()
    assert told.value.what.startswith(f"{path}: ")
    assert told.value.what.count(str(path)) == 1


@pytest.mark.parametrize("text", ["[logistic]\nd = 1.0", "[boosting]\nleaves = -1"])
def test_a_mistake_in_the_ranker_s_file_is_named(tmp_path, monkeypatch, text):
    path = tmp_path / "ranker.toml"
    path.write_text(text)
    monkeypatch.setattr(models, "RANKER_TOML", path)
    table, key = text.split("\n")[0], text.split("\n")[1].split()[0]
    with pytest.raises(SettingsError) as told:
        ModelSettings.of_files()
    assert told.value.what.startswith(f"{path}: {table}")
    assert key in told.value.what


def test_a_mistake_in_the_audience_s_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "audience.toml"
    path.write_text("[churn]\nleaves = -1")
    monkeypatch.setattr(audience, "AUDIENCE_TOML", path)
    with pytest.raises(SettingsError, match=r"\[churn\]") as told:
        audience.audience_settings()
    assert told.value.what.startswith(f"{path}: ")
