"""The pages of the home's shops, served inside Airflow to whoever may see runs of the nightly DAG.

Airflow mounts a plugin's application without its own guard, so each route here asks for the user. Only
published nights are served: a path is compared with the names of those that are there, and never opened.
"""

from __future__ import annotations

from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from nightshelf.errors import StorageError
from nightshelf.morning.page import templates
from nightshelf.paths import Home, ShopHome, default_home
from nightshelf.publishing.nights import PAGE, PublishedNight, current, published

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
    """The page that readers' night has; the list of nights where several shops have one, or none."""
    seen = [(shop, night) for shop in _shops() if (night := _seen(shop)) and _page(night)]
    if len(seen) != 1:
        return nights()
    ((shop, night),) = seen
    return RedirectResponse(f"{shop.root.name}/{night.name}", headers=HEADERS)


@app.get("/nights")
def nights() -> HTMLResponse:
    """Every published night of every shop, the newest first."""
    listed = [
        (shop.root.name, _seen(shop), [(n, _page(n)) for n in reversed(published(shop))])
        for shop in _shops()
    ]
    text = templates().get_template("nights.html.jinja").render(shops=listed)
    return HTMLResponse(text, headers=HEADERS)


@app.get("/{shop}/{night}/{attempt}")
def one(shop: str, night: str, attempt: str) -> FileResponse:
    asked = (s for s in _shops() if s.root.name == shop)
    found = (n for s in asked for n in published(s) if n.name == f"{night}/{attempt}")
    page = next(filter(None, map(_page, found)), None)
    if page is None:
        raise HTTPException(404, "No such night has a morning page.")
    return FileResponse(page, media_type="text/html; charset=utf-8", headers=HEADERS)


def _shops() -> list[ShopHome]:
    home = Home(default_home())
    return [home.shop(p.name) for p in sorted((home.root / "shops").glob("*")) if p.is_dir()]


def _seen(shop: ShopHome) -> PublishedNight | None:
    try:
        return current(shop)
    except StorageError:
        return None


def _page(night: PublishedNight) -> Path | None:
    """The night's page; None where it has none, or where something else goes by its name."""
    page = night.path / PAGE
    return page if page.is_file() and not page.is_symlink() else None
