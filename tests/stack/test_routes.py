"""Without credentials every route of Airflow and MLflow answers 401 or 403, but for those named here. Asked
are their own tables of routes, so that an upgrade that opens one is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nightshelf.paths import PROJECT

pytestmark = pytest.mark.long

OPEN = {
    "airflow": {
        "GET /{rest_of_path:path}": "the page that asks the API, empty without it",
        "GET /api/v2/monitor/health": "heartbeats of the four services, for health checks",
        "GET /api/v2/version": "Airflow's version",
        "GET /api/v2/auth/login": "leads to the login page",
        "GET /api/v2/auth/logout": "leads to the login page",
        "GET /auth/logout": "leads to the login page",
        "GET /auth/logout/": "leads to the start page",
        "GET /auth/": "leads to the start page",
        "GET /auth/back": "leads to the start page",
        "GET /execution/health": "whether tasks are served, for health checks",
        "GET /execution/health/ping": "whether tasks are served, for health checks",
        "GET /auth/login/": "the login page",
        "POST /auth/login/": "takes name and password",
        "POST /auth/token": "takes name and password, gives a token",
        "POST /auth/token/cli": "takes name and password, gives a token",
        "POST /auth/api/v1/security/login": "takes name and password, gives a token",
        **dict.fromkeys(
            (
                "GET /docs", "GET /docs/oauth2-redirect", "GET /openapi.json", "GET /redoc",
                "GET /auth/docs", "GET /auth/docs/oauth2-redirect", "GET /auth/openapi.json",
                "GET /auth/redoc", "GET /execution/changelog", "GET /execution/docs",
                "GET /execution/docs/oauth2-redirect", "GET /execution/openapi.json",
                "GET /execution/redoc",
            ),
            "the description of an API that Airflow's makers publish",
        ),
        **dict.fromkeys(
            (
                "GET /api/v1/{_:path}", "GET /api/{_:path}", "GET /health",
                "GET /auth/static/<path:filename>", "GET /auth/static/appbuilder/<path:filename>",
                "GET /static/{path}", "GET /nightshelf/{path}",
            ),
            "nothing is there, by that name: 404",
        ),
        **dict.fromkeys(
            (
                f"{how} /auth/{page}/{action}"
                for page in ("actions", "permissions", "resources", "roles", "users")
                for how, action in (
                    ("GET", "action/<string:name>/<pk>"), ("POST", "action/<string:name>/<pk>"),
                    ("POST", "action_post"),
                )
            ),
            "asks for the right to the action that is named; the test names none that there is",
        ),
    },
    "mlflow": {
        "GET /health": "OK, for health checks",
        "GET /api/3.0/mlflow/server-info": "which features are on",
        "GET /ajax-api/3.0/mlflow/server-info": "which features are on",
        "GET /static-files/<path:path>": "its scripts and pictures",
    },
}  # fmt: skip
"""Server → route → what it tells or takes."""


@pytest.fixture(scope="module", params=OPEN)
def told(request, tmp_path_factory) -> tuple[str, dict[str, str]]:
    """(server, route → status, or the word login where it leads to the login page)."""
    server, home = request.param, tmp_path_factory.mktemp("routes") / "home"
    env = os.environ | {"PYTHONPATH": f"{PROJECT / 'ml'}:{PROJECT}"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.routes", server, str(home)],
        env=env, cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return server, json.loads(done.stdout.splitlines()[-1])


def test_every_route_asks_who_is_there_but_for_those_named(told):
    server, statuses = told
    open_ = {route for route, status in statuses.items() if status not in ("401", "403", "login")}
    assert open_ == OPEN[server].keys()


def test_only_pages_of_airflow_s_accounts_lead_to_the_login_page_in_place_of_an_answer(told):
    _, statuses = told
    led = [route.split()[1] for route, status in statuses.items() if status == "login"]
    assert all(path.startswith("/auth/") for path in led)


@pytest.mark.parametrize(
    ("server", "routes"),
    [
        ("airflow", ["GET /api/v2/dags", "PATCH /execution/task-instances/{task_instance_id}/run",
                     "GET /nightshelf/nights", "GET /auth/fab/v1/users", "POST /auth/users/add"]),
        ("mlflow", ["POST /api/2.0/mlflow/runs/search", "GET /", "GET /get-artifact"]),
    ],
)  # fmt: skip
def test_the_tables_hold_what_matters_most(told, server, routes):
    if told[0] == server:
        assert set(routes) <= told[1].keys()
