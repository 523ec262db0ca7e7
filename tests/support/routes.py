"""Asks every route of Airflow's and of MLflow's own tables without credentials, in a process of its own:

    python -m tests.support.routes airflow HOME     prints {"GET /path": "401", …} as JSON

A page that leads to the login page is told as "login". Forms of Airflow's accounts are asked without the
token that proves a browser's own form: anybody is given one.

Neither leaves a process as it was: both set up logging, and Airflow its configuration.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nightshelf.orchestration.environment import environment
from nightshelf.orchestration.servers import mlflow_server
from nightshelf.paths import Home

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
LOGIN = re.compile(r"/auth/login/?(\?.*)?$")
ASKED = {"GET", "POST", "PUT", "PATCH", "DELETE"}
Route = tuple[str, str]


def routes(app, above: str = "") -> Iterator[Route]:
    """(method, path) of a FastAPI, Starlette or Flask application and of all that is mounted in it; of a
    mount that lists no routes, a path below it."""
    if hasattr(app, "url_map"):
        app.config["WTF_CSRF_ENABLED"] = False
        for rule in app.url_map.iter_rules():
            yield from ((method, above + rule.rule) for method in rule.methods & ASKED)
        return
    if not hasattr(app, "routes"):
        yield "GET", f"{above}/{{path}}"
        return
    for route in (*app.routes, *_newest(app)):
        if hasattr(route, "app") and not hasattr(route, "methods"):
            # A WSGI application is wrapped.
            yield from routes(getattr(route.app, "app", route.app), above + route.path)
        else:
            yield from ((method, above + route.path) for method in (route.methods or set()) & ASKED)


def _newest(app) -> list:
    """Routes of Airflow's task API, which keeps them by version."""
    versions = getattr(app.router, "versioned_routers", {})
    return versions[max(versions)].routes if versions else []


def answers(app, *more: Iterator[Route]) -> dict[str, str]:
    from starlette.testclient import TestClient

    told = {}
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        client.get(
            "/execution/health"
        )  # Airflow's task API makes its routes when it is first asked
        for method, path in sorted({*routes(app), *chain(*more)}):
            answer = client.request(method, re.sub(r"\{[^}]*\}|<[^>]*>", "1", path))
            to_login = answer.status_code == 302 and LOGIN.search(answer.headers["location"])
            told[f"{method} {path}"] = "login" if to_login else str(answer.status_code)
    return told


def airflow(home: Home) -> dict[str, str]:
    home.airflow.mkdir(parents=True)
    secret = {"AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64)}
    os.environ.update(environment(home) | secret | {"AIRFLOW__CORE__AUTH_MANAGER": FAB})
    from airflow.api_fastapi.app import create_app
    from airflow.utils.db import initdb

    initdb()
    app = create_app()
    # Mounted behind a function that imports it when somebody first looks.
    from nightshelf.morning.view import app as pages

    return answers(app, routes(pages, "/nightshelf"))


def mlflow(home: Home) -> dict[str, str]:
    os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] = "a password of the tests"
    _, env = mlflow_server(home, home.root)
    # What `mlflow server` hands to its workers.
    env |= {
        "_MLFLOW_SERVER_FILE_STORE": env["MLFLOW_BACKEND_STORE_URI"],
        "_MLFLOW_SERVER_ARTIFACT_ROOT": home.mlflow.as_uri(),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "testserver",
    }
    os.environ.update(env)
    from mlflow.server.auth import create_app

    app = create_app()
    return answers(app)


if __name__ == "__main__":
    told = {"airflow": airflow, "mlflow": mlflow}[sys.argv[1]](Home(Path(sys.argv[2])))
    print(json.dumps(told))
