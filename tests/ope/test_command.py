"""`nightshelf ope`: files in, a table out, and words for what is wrong with a file."""

from __future__ import annotations

import re

import duckdb
import pytest
from typer.testing import CliRunner

from nightshelf.cli import app
from nightshelf.errors import InputError, SettingsError
from nightshelf.ope import Options, Sampling, evaluate
from nightshelf.ope.command import doubts
from nightshelf.ope.files import read_impressions

LOG = """context_id,item_id,position,propensity,reward
u2,10,1,0.5,1
u2,9,2,0.5,0
u1,9,1,0.5,0
u1,10,2,0.25,1
"""
POLICY = """item_id,position,probability
9,1,0.2
10,1,0.8
10,2,0.5
9,2,0.5
"""


@pytest.fixture
def files(tmp_path):
    def write(log=LOG, policy=POLICY):
        (tmp_path / "log.csv").write_text(log)
        (tmp_path / "policy.csv").write_text(policy)
        return tmp_path / "log.csv", tmp_path / "policy.csv"

    return write


def test_a_log_and_a_policy_become_aligned_arrays(files):
    rows = read_impressions(*files())
    assert rows.evaluation == pytest.approx([0.8, 0.5, 0.2, 0.5])
    assert list(rows.item) == [1, 0, 0, 1]  # by number: 9 before 10
    assert list(rows.context) == [1, 1, 0, 0]
    assert list(rows.position) == [0, 1, 0, 1]


def test_a_policy_may_hang_on_the_context_or_on_nothing(files):
    by_context = "context_id,item_id,probability\nu1,9,1\nu2,10,0.4\nu2,9,0.6\nu3,9,0.1\n"
    assert list(read_impressions(*files(policy=by_context)).evaluation) == [0.4, 0.6, 1, 0]
    same = "item_id,probability\n9,0.3\n10,0.7\n"
    assert list(read_impressions(*files(policy=same)).evaluation) == [0.7, 0.3, 0.3, 0.7]


def test_the_even_policy_is_over_all_items_of_the_log(files):
    log, _ = files()
    assert set(read_impressions(log, None).evaluation) == {0.5}


def test_parquet_is_csv(files, tmp_path):
    log, policy = files()
    duckdb.execute(f"copy (from '{log}') to '{tmp_path / 'log.parquet'}'")
    one, other = (
        evaluate(read_impressions(tmp_path / n, policy)) for n in ("log.csv", "log.parquet")
    )
    assert one.values["DR"] == other.values["DR"]


@pytest.mark.parametrize("ids", [("1.1", "1.10"), ("1000", "1e3"), ("True", "true"), ("007", "7")])
def test_ids_are_text_however_much_they_look_like_something_else(files, ids):
    one, other = ids
    text = f"context_id,item_id,position,propensity,reward\n{one},{one},1,0.5,1\n{other},{other},1,0.5,0\n"
    rows = read_impressions(*files(text, f"item_id,probability\n{one},0.2\n{other},0.8\n"))
    assert sorted(zip(rows.context, rows.item, rows.evaluation, strict=True)) == [
        (0, 0, 0.2),
        (1, 1, 0.8),
    ]


def test_a_policy_that_names_a_word_knows_a_number_as_the_log_writes_it(files):
    log = "context_id,item_id,position,propensity,reward\nu,1.10,1,0.5,1\nv,2.20,1,0.5,0\n"
    rows = read_impressions(*files(log, "item_id,probability\n1.10,0.5\n2.20,0.3\nA1,0.2\n"))
    assert list(rows.weights) == [1, 0.6]


def test_a_reward_may_be_a_truth(files):
    assert list(read_impressions(*files(LOG.replace(",1\nu", ",true\nu"))).reward) == [1, 0, 0, 1]


def test_another_order_of_contexts_in_the_file_changes_no_code(files):
    head, *lines = LOG.splitlines()
    rows = read_impressions(*files("\n".join([head, *lines[2:], *lines[:2]])))
    assert list(rows.context) == [0, 0, 1, 1]


def test_the_command_prints_every_estimator_and_its_doubts(files):
    log, policy = files()
    done = CliRunner().invoke(app, ["ope", str(log), "--policy", str(policy), "--clip", "1.5"])
    assert done.exit_code == 0, done.output
    assert "4 impressions of 2 contexts" in done.output
    told = re.findall(r"^│(IPS|SNIPS|DM|DR|as logged|mean weight) ", done.output, re.M)
    assert told == ["IPS", "SNIPS", "DM", "DR", "as logged", "mean weight"]
    assert re.search(r"│DM +│ +[\d.]+ │ +–│", done.output)  # its own error is not in any bounds
    assert "By position" in done.output
    assert "! The weights leave 3 impressions' worth" in done.output
    assert "! 2 weights were cut to 1.5" in done.output


def test_a_log_that_fits_leaves_no_doubt(files):
    head = LOG.splitlines()[0]
    lines = (f"u{n},{n % 2},1,0.5,{int(n % 3 == 0)}" for n in range(400))
    log, _ = files("\n".join([head, *lines]))
    options = Options(sampling=Sampling("normal"))
    assert doubts(evaluate(read_impressions(log, None), options), options) == []


def test_a_log_of_one_context_has_no_interval_and_says_so(files):
    log, policy = files(
        "".join(LOG.splitlines(keepends=True)[:3]), "item_id,probability\n9,0.5\n10,0.5\n"
    )
    done = CliRunner().invoke(
        app, ["ope", str(log), "--policy", str(policy), "--allow-uncovered", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "nan" not in done.output
    assert "! All impressions are of one context" in done.output
    assert "The mean weight is" not in done.output


def test_rows_that_stand_twice_are_told(files):
    log, policy = files(LOG + "u1,10,2,0.25,1\nu1,10,2,0.25,0\n")
    found = evaluate(read_impressions(log, policy))
    assert found.doubled == 2
    assert any("2 impressions repeat a context's item" in line for line in doubts(found, Options()))


def test_a_list_of_another_night_is_no_copy(files):
    head, *lines = LOG.splitlines()
    again = "u1,10,2,0.25,1,2026-03-02"
    dated = [f"{head},night", *(f"{line},2026-03-01" for line in lines), again]
    assert evaluate(read_impressions(*files("\n".join(dated)))).doubled == 0
    assert evaluate(read_impressions(*files("\n".join([*dated, again])))).doubled == 1


@pytest.mark.parametrize(
    ("log", "policy", "message"),
    [
        (LOG.replace("reward", "clicked"), POLICY, r"log.csv has no column reward; it has clicked"),
        (LOG.replace("0.25", "0"), POLICY, "log.csv: propensity is 0.0 in row 4"),
        (LOG.replace("0.25", "25%"), POLICY, "log.csv: propensity is '25%' in row 4, which is no"),
        (LOG.replace("0.25", ""), POLICY, "log.csv: propensity is nan in row 4"),
        (LOG, POLICY.replace("9,1,0.2", "9,1,often"), "policy.csv: probability is 'often' in row 1"),
        (LOG.replace("u1,10", ",10"), POLICY, "log.csv has no context_id in row 4"),
        (LOG.splitlines()[0], POLICY, "The log has no impressions"),
        (LOG, POLICY.replace("9,1,0.2\n", ""), "policy.csv sum to 0.8000 for position 1"),
        (LOG, POLICY.replace("9,1,0.2", "9,1,-2"), "policy.csv: the probability is -2.0 in row"),
        (LOG, POLICY.replace("position", "slot"), "sum to 2.0000 for every context"),
        (LOG, POLICY.replace("9,1,0.2", "8,1,0.2"), "10.0% of the evaluated policy's mass"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_row(files, log, policy, message):
    with pytest.raises(InputError, match=message):
        evaluate(read_impressions(*files(log, policy)))


def test_a_file_that_is_not_there_or_of_no_known_kind_is_refused(tmp_path, files):
    log, _ = files()
    with pytest.raises(InputError, match="There is no file"):
        read_impressions(tmp_path / "no.csv", None)
    with pytest.raises(InputError, match="neither Parquet nor CSV"):
        read_impressions(log.rename(tmp_path / "log.xls"), None)
    (tmp_path / "bad.parquet").write_text("nothing")
    with pytest.raises(InputError, match="bad.parquet cannot be read"):
        read_impressions(tmp_path / "bad.parquet", None)


@pytest.mark.parametrize("words", [[], ["--uniform", "--policy", "policy.csv"]])
def test_one_policy_is_asked_about(files, words):
    log, _ = files()
    done = CliRunner().invoke(app, ["ope", str(log), *words])
    assert isinstance(done.exception, SettingsError)
    assert "Pass either --policy FILE or --uniform" in str(done.exception)
