import pytest

from nightshelf.candidates import MODELS, MODELS_TOML
from nightshelf.errors import SettingsError
from nightshelf.settings.models import OF_SOURCES, ModelSettings, of_file


def written(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def model_params(path=MODELS_TOML):
    return of_file(OF_SOURCES, path)


def test_the_shipped_file_sets_every_key_of_every_model():
    import tomllib
    from dataclasses import asdict

    tables = tomllib.loads(MODELS_TOML.read_text(encoding="utf-8"))
    assert {name: set(asdict(params)) for name, params in model_params().items()} == {
        name: set(table) for name, table in tables.items()
    }


def test_the_shipped_file_equals_the_defaults():
    assert {model.name: model.params for model in ModelSettings.of_files().models()} == {
        name: cls.Params() for name, cls in MODELS.items()
    }


def test_a_missing_table_means_defaults(tmp_path):
    params = model_params(written(tmp_path, "[popularity]\nwindow_days = 7\n"))
    assert params["popularity"].window_days == 7
    assert params["svd"].factors == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[svd]\nfactor = 3", r"\[svd\]: unknown key factor; known are factors, half_life_days"),
        ("[als]\nfactors = 3", "unknown model als; known are bought_together, "),
        ("[svd]\nfactors = 'x'", r"\[svd\] factors = 'x': must be int"),
        ("[svd]\nfactors = true", r"\[svd\] factors = True: must be int"),
        ("[svd]\nfactors = 0", r"\[svd\] factors = 0: must be at least 1"),
        ("[own_history]\nhalf_life_days = nan", "half_life_days = nan: must be a finite number"),
        ("[item_knn]\nweighting = 'log'", "must be none or tfidf or bm25 with similarity cosine"),
        ("[item_knn]\nsimilarity = 'jaccard'", "'tfidf': must be none with similarity jaccard"),
        ("[ease]\nmax_items = 30000", "max_items = 30000: must be from 1 to 20000"),
        ("[user_knn]\nown_weight = 1.5", "own_weight = 1.5: must be from 0 to 1"),
        ("[rp3beta]\nalpha = 0", "alpha = 0.0: must be above 0"),
        ("[own_history]\nhalf_life_days = inf", "half_life_days = inf: must be a finite number"),
        (f"[popularity]\nburst = {10**400}", "must be a finite number"),
        ("svd = 3", "svd = 3: must be a table"),
        ("[svd", "models.toml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        model_params(written(tmp_path, text))


def test_a_whole_number_is_taken_where_a_fraction_is_meant(tmp_path):
    params = model_params(written(tmp_path, "[own_history]\nhalf_life_days = 30\n"))
    assert params["own_history"].half_life_days == 30.0


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="absent.toml"):
        model_params(tmp_path / "absent.toml")
