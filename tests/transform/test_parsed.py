"""dbt's parse is read again where nothing that it hangs on has changed, and made anew where something has."""

import shutil

import pytest

from nightshelf.transform import parsed as room
from nightshelf.transform.parsed import DBT_PROJECT, KEPT, parsed

NIGHT = {"night": "2015-04-01", "as_ofs": {"serve": "2015-04-01"}, "k": 20}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the dbt project, with what dbt must be told to parse it."""
    copy = tmp_path / "project"
    shutil.copytree(DBT_PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(room, "DBT_PROJECT", copy)
    monkeypatch.setenv("NIGHTSHELF_NIGHT_DB", str(tmp_path / "night.duckdb"))
    return copy


@pytest.fixture
def parses(monkeypatch):
    """How often dbt was asked; a parse is an object that can be written."""
    asked = []

    class Stub:
        def to_msgpack(self, encoder):
            return b"parsed"

    def parse(arguments):
        asked.append(arguments)
        return Stub()

    monkeypatch.setattr(room, "_parse", parse)
    monkeypatch.setattr(room, "_read", lambda path, key: Stub() if path.exists() else None)
    return asked


def test_another_night_reads_what_was_parsed(project, parses, tmp_path):
    parsed(tmp_path / "kept", NIGHT, ())
    parsed(
        tmp_path / "kept", NIGHT | {"night": "2015-04-02", "as_ofs": {"serve": "2015-04-02"}}, ()
    )
    assert len(parses) == 1


@pytest.mark.parametrize("kind", ["a setting", "a model", "a new file"])
def test_what_a_parse_hangs_on_makes_it_anew(kind, project, parses, tmp_path):
    parsed(tmp_path / "kept", NIGHT, ())
    model = next((project / "models").rglob("feat_item.sql"))
    if kind == "a model":
        model.write_text(model.read_text() + "\n")
    if kind == "a new file":
        model.with_name("feat_more.sql").write_text("select 1 as one")
    parsed(tmp_path / "kept", NIGHT | {"k": 30} if kind == "a setting" else NIGHT, ())
    assert len(parses) == 2


def test_what_dbt_itself_makes_in_the_project_changes_nothing(project, parses, tmp_path):
    parsed(tmp_path / "kept", NIGHT, ())
    (project / "target").mkdir()
    (project / "target" / "compiled.sql").write_text("select 1")
    parsed(tmp_path / "kept", NIGHT, ())
    assert len(parses) == 1


def test_only_the_youngest_parses_are_kept(project, parses, tmp_path):
    for k in range(KEPT + 3):
        parsed(tmp_path / "kept", NIGHT | {"k": k}, ())
    assert len(list((tmp_path / "kept").iterdir())) == KEPT


def test_a_folder_that_cannot_be_written_costs_only_time(project, parses, tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert parsed(tmp_path / "kept", NIGHT, ()) is not None


@pytest.mark.long
def test_a_parse_of_the_real_project_is_read_back_whole_and_a_cut_one_is_made_anew(
    project, tmp_path
):
    where = [
        "--project-dir", str(project), "--profiles-dir", str(project), "--quiet",
        "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs"),
    ]  # fmt: skip
    made = parsed(tmp_path / "kept", NIGHT, where)
    (path,) = (tmp_path / "kept").iterdir()
    again = parsed(tmp_path / "kept", NIGHT, ["no dbt is asked, or it would refuse this"])
    assert again.nodes.keys() == made.nodes.keys() and len(again.nodes) > 200
    assert {n: m.macro_sql for n, m in again.macros.items()} == {
        n: m.macro_sql for n, m in made.macros.items()
    }
    whole = path.read_bytes()
    # Cut, an empty map, and one whose SQL somebody changed.
    for spoilt in (whole[:1000], b"\x80", whole.replace(b"feat_item", b"feat_ITEM", 1)):
        path.write_bytes(spoilt)
        assert parsed(tmp_path / "kept", NIGHT, where).nodes.keys() == made.nodes.keys()
        assert path.read_bytes() != spoilt
