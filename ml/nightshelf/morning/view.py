"""The pages of the home's shops, served inside Airflow to whoever may see runs of the nightly DAG.

Airflow mounts a plugin's application without its own guard, so each route here asks for the user. Only
pages of ours are served: a name is compared with those that are there, and never opened as a path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from nightshelf.morning.begun import attempt_of, begun, door_page, mlflow_page, stopped
from nightshelf.morning.opened import DOORS
from nightshelf.morning.page import place_of, templates
from nightshelf.paths import Home, ShopHome, default_home
from nightshelf.publishing.nights import PAGE, PublishedNight, published, readers_see

DAG = "nightly_recommendations"
HEADERS = {
    # In a sandbox of its own a page could not act as its reader in Airflow, whatever stood on it.
    "Content-Security-Policy": "sandbox allow-scripts; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
may_see_nights = requires_access_dag("GET", DagAccessEntity.RUN, DAG)
app = FastAPI(
    dependencies=[Depends(may_see_nights)], docs_url=None, redoc_url=None, openapi_url=None
)


@app.get("/")
def tonight() -> Response:
    """The page of the night that stopped, else of the one that readers see; the list of nights where
    several shops have one, or none."""
    places = [place for shop in _shops() if (place := _opens_with(shop))]
    return RedirectResponse(places[0], headers=HEADERS) if len(places) == 1 else nights()


def _opens_with(shop: ShopHome) -> str | None:
    if _stopped_page(shop):
        return f"stopped/{shop.root.name}"
    seen = readers_see(shop)
    return f"{shop.root.name}/{seen.name}" if seen and _page(seen) else None


@app.get("/nights")
def nights() -> HTMLResponse:
    """Every published night of every shop, the newest first, below the one that stopped."""
    listed = [
        (
            shop.root.name,
            readers_see(shop),
            stopped(shop) if _stopped_page(shop) else None,
            [(n, _page(n)) for n in reversed(published(shop))],
        )
        for shop in _shops()
    ]
    return _small("nights.html.jinja", shops=listed)


@app.get("/run")
def run(run: str, task: str = "") -> HTMLResponse:
    """What a run of Airflow's made of its night so far; `task` is marked."""
    attempt = attempt_of(Home(default_home()), run)
    return _small(
        "begun.html.jinja",
        of=attempt and begun(attempt),
        dag_run=run,
        asked=task.split(".")[-1],
        mlflow=attempt and mlflow_page(attempt),
    )


@app.get("/page")
def page(run: str) -> FileResponse:
    """The morning page of a run's night, published or stopped."""
    attempt = attempt_of(Home(default_home()), run)
    return _file(attempt and place_of(attempt))


@app.get("/door")
def door(run: str, door: Literal[*DOORS]) -> FileResponse:
    """What a door found."""
    attempt = attempt_of(Home(default_home()), run)
    return _file(attempt and door_page(attempt, door))


@app.get("/stopped/{shop}")
def one_that_stopped(shop: str) -> FileResponse:
    return _file(next((_stopped_page(s) for s in _shops() if s.root.name == shop), None))


@app.get("/{shop}/{night}/{attempt}")
def one(shop: str, night: str, attempt: str) -> FileResponse:
    asked = (s for s in _shops() if s.root.name == shop)
    found = (n for s in asked for n in published(s) if n.name == f"{night}/{attempt}")
    return _file(next(filter(None, map(_page, found)), None))


def _small(template: str, **data: Any) -> HTMLResponse:
    return HTMLResponse(templates().get_template(template).render(**data), headers=HEADERS)


def _file(path: Path | None) -> FileResponse:
    if path is None or _whole(path) is None:
        raise HTTPException(404, "There is no such page.")
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=HEADERS)


def _shops() -> list[ShopHome]:
    home = Home(default_home())
    return [home.shop(p.name) for p in sorted((home.root / "shops").glob("*")) if p.is_dir()]


def _page(night: PublishedNight) -> Path | None:
    """The night's page; None where it has none, or where something else goes by its name."""
    return _whole(night.path / PAGE)


def _stopped_page(shop: ShopHome) -> Path | None:
    attempt = stopped(shop)
    return attempt and _whole(place_of(attempt))


def _whole(page: Path) -> Path | None:
    return page if page.is_file() and not page.is_symlink() else None
