"""Alerts: what they say, whom they reach, and that they never fail themselves."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from apprise import Apprise

from nightshelf.orchestration import alerts
from nightshelf.paths import Home
from nightshelf.steps import DAG_RUN
from nightshelf.storage import write_json


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTSHELF_ALERTS", raising=False)
    return Home(tmp_path)


@pytest.fixture
def webhook(monkeypatch):
    """A server that takes alerts; yields what it was sent."""
    sent = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Take) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NIGHTSHELF_ALERTS", f"json://127.0.0.1:{server.server_port}/hook")
        yield sent
        server.shutdown()


def failed_task(**more):
    task = {"dag_id": "nightly_recommendations", "task_id": "prepare.features", "run_id": "tonight"}
    return {
        "task_instance": SimpleNamespace(**task, log_url="http://airflow/log"),
        "exception": RuntimeError("exit code 10"),
        **more,
    }


def test_a_red_task_says_which_night_what_and_what_to_do(home, webhook):
    attempt = home.shop("shop").attempt(date(2017, 12, 1), 3)
    write_json(attempt.root / DAG_RUN, {"run_id": "tonight"})
    failed = {
        "stage": "features",
        "what": "dbt: a\x1b[31m model",
        "next_step": "Mend it.",
        "exit_code": 10,
    }
    write_json(attempt.stages / "features.failed.json", failed)
    alerts.task_failed(failed_task())
    (sent,) = webhook
    assert sent["title"] == "nightly_recommendations: prepare.features failed"
    assert sent["message"].splitlines() == [
        "Night 2017-12-01, attempt 3",
        "dbt: a·[31m model",
        "Next: Mend it.",
        "Readers keep the last published night.",
        "Log: http://airflow/log",
    ]


@pytest.mark.parametrize(
    "damaged", ["2017-11-30/1/dag_run.json", "2017-12-01/3/stages/features.failed.json"]
)
def test_damaged_files_of_an_attempt_keep_no_alert_back(home, webhook, damaged):
    shop = home.shop("shop")
    write_json(shop.attempt(date(2017, 12, 1), 3).root / DAG_RUN, {"run_id": "tonight"})
    path = shop.attempts / damaged
    path.parent.mkdir(parents=True)
    path.write_text("{")
    alerts.task_failed(failed_task())
    (sent,) = webhook
    assert sent["message"].splitlines()[:2] == ["Night 2017-12-01, attempt 3", "exit code 10"]


def test_a_task_that_left_no_word_is_told_by_its_exception(home, webhook):
    alerts.task_failed(failed_task())
    (sent,) = webhook
    assert sent["message"].splitlines()[:2] == ["exit code 10", "Next: read the task's log."]


def test_a_late_night_is_told(home, webhook):
    run = {"dag_id": "nightly_recommendations", "dag_run_id": "tonight"}
    asyncio.run(alerts.night_is_late(context={"dag_run": run}, minutes=180))
    (sent,) = webhook
    assert "Run tonight has not ended 180 minutes after it was queued." in sent["message"]


def test_without_an_address_the_log_has_it(home, caplog):
    alerts.tell("a title", "what happened")
    assert "a title\nwhat happened" in caplog.text


@pytest.mark.parametrize(
    ("address", "said"),
    [("nonsense", "is none that Apprise knows"), ("json://u:secret@127.0.0.1:9/", "did not take")],
)
def test_an_alert_that_cannot_be_sent_is_a_line_in_the_log_without_its_password(
    home, monkeypatch, caplog, address, said
):
    monkeypatch.setenv("NIGHTSHELF_ALERTS", address)
    caplog.set_level(logging.DEBUG)
    alerts.tell("a title", "what happened")
    assert f"Address 1 of NIGHTSHELF_ALERTS {said}" in caplog.text
    assert "secret" not in caplog.text


def test_an_address_that_breaks_silences_none_behind_it(home, webhook, monkeypatch, caplog):
    whole = os.environ["NIGHTSHELF_ALERTS"]
    monkeypatch.setenv("NIGHTSHELF_ALERTS", f"broken://u:secret@host {whole} {whole}")
    add = Apprise.add

    def breaks(sender, address):
        if address.startswith("broken"):
            raise RuntimeError(f"no plugin for {address}")
        return add(sender, address)

    monkeypatch.setattr(Apprise, "add", breaks)
    alerts.tell("a title", "what happened")
    assert [sent["title"] for sent in webhook] == ["a title"] * 2
    assert "Address 1 of NIGHTSHELF_ALERTS broke" in caplog.text
    assert "secret" not in caplog.text
