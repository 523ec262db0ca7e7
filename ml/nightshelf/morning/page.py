"""Renders the morning page, and puts it beside the tables."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nightshelf.morning import data, people, quality, rules, shelves, verdict
from nightshelf.morning.opened import Opened, opened
from nightshelf.morning.words import FILTERS, clean
from nightshelf.paths import Attempt
from nightshelf.publishing.nights import PAGE
from nightshelf.publishing.publish import alone
from nightshelf.settings.shop import Shop
from nightshelf.storage import sync_directory, write_atomically

HERE = Path(__file__).parent


def place_of(attempt: Attempt) -> Path:
    """Beside the tables once they are published; until then in the attempt's own folder."""
    folder = attempt.published if attempt.published.exists() else attempt.root
    return folder / PAGE


def write_page(shop: Shop, attempt: Attempt) -> Path:
    """Makes the page of an attempt, also of one that stopped; returns where it lies.

    Reads what is published, and what the steps left in the attempt's folder; a part whose files are
    gone says so. A published night gets the page by one rename, so it never holds half of one.
    """
    with opened(shop, attempt) as of:
        text = render(of)
    with alone(attempt.shop):
        place = place_of(attempt)
        made = attempt.shop.nights / f".incoming-page-{os.getpid()}"  # swept if this is killed
        write_atomically(made, text)
        made.replace(place)
        sync_directory(place.parent)
    return place


def render(of: Opened) -> str:
    """The whole page as HTML: no other host, no clock, one script whose hash the page itself demands."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return templates().get_template("page.html.jinja").render(
        of=of,
        **found_in(of),
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


def found_in(of: Opened) -> dict[str, Any]:
    """Every part of the page, as data."""
    found = {
        "shelves": shelves.on_the_shelves(of),
        "served": shelves.users_served(of),
        "lists": shelves.to_look_into(of),
        "quality": quality.examined(of),
        "read": data.read(of),
        "events": data.events(of),
        "cleaning": data.cleaning(of),
        "doors": data.doors(of),
        "bands": data.bands(of),
        "readiness": data.readiness(of),
        "gaps": data.gaps(of),
        "drift": people.drift(of),
        "moving": people.moving_categories(of),
        "segments": people.segments(of),
        "risks": people.risks(of),
        "audiences": people.audiences(of),
        "cost": rules.cost(of),
        "online": rules.online(of),
    }
    return {**found, "verdict": verdict.judge(of, found)}


def templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    made.filters |= FILTERS
    return made
