"""The first screen: did it work, may it be trusted, what changed, and what to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nightshelf.morning.opened import Opened
from nightshelf.morning.words import share, whole
from nightshelf.progress import counted

WORKED, LOOK, STOPPED = "worked", "look", "stopped"

SHRUNK = 0.9
"""A shelf with fewer lists than this share of last night's is pointed out; door `shelves` refuses far
less than that."""
LEAPT = 0.05
"""So is one on which bestsellers fill this much more of the rows than last night."""


@dataclass(frozen=True)
class Notice:
    """Something to look at. `part` is the id of the section that has more of it."""

    told: str
    part: str


@dataclass(frozen=True)
class Verdict:
    state: str
    headline: str
    told: str
    notices: tuple[Notice, ...]


def judge(of: Opened, found: dict[str, Any]) -> Verdict:
    """What the page opens with; `found` are the page's other parts."""
    parts = (_doors, _models, _shelves, _data, _readiness)
    notices = tuple(notice for part in parts for notice in part(found))
    if of.night is None and of.stopped_at == "publish" and not of.failure:
        told = f"`nightshelf publish` puts it out. {_still(of)}".strip()
        return Verdict(LOOK, "Made, and not published", told, notices)
    if of.night is None:
        return Verdict(STOPPED, "The night stopped", _stopped(of), notices)
    told = f"{_readers(of)} {_counted(len(notices))}"
    if notices:
        return Verdict(LOOK, "It worked, with something to look at", told, notices)
    return Verdict(WORKED, "It worked", told, notices)


def _counted(n: int) -> str:
    if not n:
        return "Nothing asks for your attention."
    return f"{counted(n, 'thing')} to look at."


def _stopped(of: Opened) -> str:
    where = f" at {of.stopped_at.replace('_', ' ')}" if of.stopped_at else ""
    return f"It went no further than this{where}, and published nothing. {_still(of)}".strip()


def _still(of: Opened) -> str:
    sees = of.readers_see
    return f"Readers still see night {sees.night}, attempt {sees.attempt}." if sees else ""


def _readers(of: Opened) -> str:
    sees = of.readers_see
    if sees is not None and sees.path.resolve() == of.night.path.resolve():
        return "Readers see these shelves."
    if sees is None:
        return "Published; readers see no night at all."
    return f"Published; readers see night {sees.night}, attempt {sees.attempt}, instead."


def _doors(found: dict[str, Any]) -> list[Notice]:
    shut = [d for d in found["doors"] if d["state"] == "shut"]
    return [
        Notice(
            f"Door {d['door']} is shut: {len(d['shut'])} of {d['n_rules']} rules do not hold.",
            "data",
        )
        for d in shut
    ]


def _models(found: dict[str, Any]) -> list[Notice]:
    told = []
    for p in found["quality"]:
        said = [*filter(None, [p["warning"], _beaten(p)]), *p["limits"]]
        told += [Notice(f"{_in_words(p['placement'])}: {what}", "quality") for what in said]
    return told


def _beaten(placement: dict[str, Any]) -> str:
    serves, bar = placement["serves"], placement["baseline"]
    if not serves or not bar or (serves["mean"] or 0.0) >= (bar["mean"] or 0.0):
        return ""
    return f"the baseline {bar['name']} scores higher than what serves."


def _shelves(found: dict[str, Any]) -> list[Notice]:
    told = []
    for s in found["shelves"]:
        name, before = _in_words(s["shelf"]), s["before"]
        if before and s["n_lists"] < SHRUNK * before["n_lists"]:
            lists = f"{whole(s['n_lists'])} lists, {whole(before['n_lists'])} last night."
            told.append(Notice(f"{name}: {lists}", "shelves"))
        if _leapt(s, before):
            shares = [share(of["from_bestsellers"]) for of in (s, before)]
            told.append(
                Notice(f"{name}: bestsellers fill {shares[0]}, {shares[1]} last night.", "shelves")
            )
    return told


def _in_words(name: str) -> str:
    return name.removeprefix("rec_").replace("_", " ").capitalize()


def _leapt(shelf: dict[str, Any], before: dict[str, Any] | None) -> bool:
    if not before or shelf["from_bestsellers"] is None or before["from_bestsellers"] is None:
        return False
    return shelf["from_bestsellers"] - before["from_bestsellers"] > LEAPT


def _data(found: dict[str, Any]) -> list[Notice]:
    told = []
    faults = found["read"]["quarantined"] - found["read"]["set_aside"]
    if faults:
        told.append(Notice(f"{counted(faults, 'row')} in quarantine.", "data"))
    outside = found["bands"]["n_outside"]
    if outside:
        told.append(Notice(f"{counted(outside, 'figure')} of the day outside the band.", "data"))
    return told


def _readiness(found: dict[str, Any]) -> list[Notice]:
    short = [r for r in found["readiness"] if not r["is_ready"] and r["verdict"] != "off"]
    return [Notice(f"{r['told'][:1].upper()}{r['told'][1:]}.", "readiness") for r in short]
