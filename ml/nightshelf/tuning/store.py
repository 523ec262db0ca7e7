"""The registered model `<shop>-settings`: what searches found, and what nights made of it.

A version is one TOML file of changes, known by its sha256. `challenger` is the newest find; a night
judges it and moves `champion`, or refuses it. It is text with numbers, read key by key: nothing in
it can name code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from nightshelf.errors import ModelError, SettingsError
from nightshelf.registry import Registry
from nightshelf.registry.card import prose
from nightshelf.registry.files import AGAIN, whole
from nightshelf.registry.store import CHALLENGER, CHAMPION, MAX_VALUE
from nightshelf.settings.models import Changes, ModelSettings, toml_of
from nightshelf.storage import sha256_of, write_atomically

MODEL = "settings"
FILE = "settings.toml"
MAX_BYTES = 100_000
"""All keys of all models are 6 kB."""


@dataclass(frozen=True)
class Version:
    """A version of the shop's settings, not yet read."""

    number: str
    night: str
    """The night as of which it was searched, as an ISO date."""
    source: str
    sha256: str
    verdict: str
    """"promoted", "in part", "refused", or "" as long as no night has judged it."""
    judged_on: str
    """The night that judged it; it serves later nights only."""
    replaced: str
    """The version that was champion before it; "" for the files."""
    part_of: str
    """The version of which this is what held; "" for a search's own."""
    run: str
    by_hand: bool = False
    """Somebody gave it the alias `champion` in MLflow."""


@dataclass(frozen=True)
class Ruling:
    """What a night makes of a challenger."""

    verdict: Literal["promoted", "in part", "refused"]
    why: str
    part: Changes | None = None
    """With "in part": what is promoted in its place."""


class SettingsStore:
    """A shop's versions of settings."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def register(
        self, changes: Changes, run: str, folder: Path, tags: dict[str, str], description: str
    ) -> str:
        """A new challenger; the number of the one there is, if it says the same as of the same night.

        `folder` holds the file, and gives its artefacts their name.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE, toml_of(changes))
        sha256 = sha256_of(folder / FILE)
        with self.registry.alone():
            there = self._aliased(CHALLENGER)
            if there and (there.sha256, there.night) == (sha256, tags["night"]):
                return there.number
            about = f"Searched settings of the models of shop {self.registry.shop}, over ml/config."
            return self.registry.add_version(
                MODEL, [folder / FILE], folder.name, run, {"settings_sha256": sha256, **tags},
                description, about,
            )  # fmt: skip

    def champion(self) -> Version | None:
        return self._aliased(CHAMPION)

    def serving(self, night: date) -> Version | None:
        """What a night goes by: the champion, or, for a night that judged it or lies before, the one
        that it replaced; so a night run again goes by the same. None: the files."""
        found = self.champion()
        while found and not found.by_hand and found.judged_on >= night.isoformat():
            before = self._number(found.replaced)
            # Each replaced an older one; anything else is no history to follow.
            found = before if before and int(before.number) < int(found.number) else None
        return found

    def pending(self, night: date) -> Version | None:
        """The challenger that the night is to judge: newer than what serves, not judged yet, and searched
        on windows before the night's examination. None where the champion is not to be replaced: it
        was set by hand, or serves later nights."""
        found, now = self._aliased(CHALLENGER), self.champion()
        if found is None or found.verdict or found.night > night.isoformat():
            return None
        if now and now.number == found.number:
            # Promoted by a night that died before it could write its verdict down.
            if not now.by_hand:
                self._close(found.number, "promoted", night, "its verdict was cut short")
                self.registry.end_challenge(MODEL, found.number)
            return None
        if now and (
            now.by_hand or now != self.serving(night) or int(now.number) > int(found.number)
        ):
            return None
        return found

    def load(self, version: Version, under: ModelSettings) -> tuple[ModelSettings, Changes]:
        """`under` with the version's changes, and these; from the shop's own artefacts, checked against
        the sha256. Raises ModelError for anything else, keys that today's models lack among it."""
        path = self.registry.folder_of(version.source) / FILE
        content = whole(path, version.sha256, MAX_BYTES)
        try:
            changes = tomllib.loads(content.decode())
            return under.changed(changes, FILE), changes
        except (ValueError, TypeError, RecursionError, SettingsError) as error:
            told = error.what if isinstance(error, SettingsError) else repr(error)
            raise ModelError(f"{path} is no set of settings: {told}", AGAIN) from None

    def without(self, number: str, tables: Sequence[str], serving: str) -> Changes:
        """A version's changes, but of these tables what the serving version says ("": the files)."""
        files = ModelSettings.of_files()
        changes, before = (
            self.load(found, files)[1] if found else {}
            for found in (self._number(number), self._number(serving))
        )
        kept = {t: keys for t, keys in changes.items() if t not in tables}
        return kept | {t: keys for t, keys in before.items() if t in tables}

    def judge(
        self, number: str, night: date, replaced: str, ruling: Ruling, folder: Path
    ) -> tuple[str, str]:
        """Writes the ruling on a version, and moves the alias where something is promoted; the verdict,
        and why. What holds of a version in part becomes a version of its own, by way of `folder`.

        A version that has been judged keeps its verdict. Where somebody moved the alias since the night
        began, nothing is decided: "". Killed in between, it can be called again.
        """
        with self.registry.alone():
            version, now = self._number(number), self.champion()
            if version is None:
                return "", f"{ruling.why}; but somebody deleted the version"
            if version.verdict:
                return version.verdict, self._tag(number, "why")
            if self._was_moved(now, replaced, number):
                told = "but the alias `champion` was moved meanwhile, and is left alone"
                return "", f"{ruling.why}; {told}"
            serves = self._in_part(version, ruling, folder) if ruling.part else number
            for each in {serves, number}:
                self._tell(each, {"judged_on": night.isoformat(), "replaced": replaced})
            if ruling.verdict != "refused":
                self.registry.promote(MODEL, serves)
            if ruling.part:
                self._close(serves, "promoted", night, ruling.why)
            self._close(number, ruling.verdict, night, ruling.why)
            if ruling.verdict != "refused":
                # Last: by this alias a verdict that was cut short is found.
                self.registry.end_challenge(MODEL, serves)
            return ruling.verdict, ruling.why

    def _was_moved(self, now: Version | None, replaced: str, number: str) -> bool:
        """Is the champion neither the one that the night began with nor, its verdict cut short, ours?"""
        if now is None:
            return replaced != ""
        return now.by_hand or (now.number != replaced and number not in (now.number, now.part_of))

    def _in_part(self, version: Version, ruling: Ruling, folder: Path) -> str:
        """The version of what held."""
        tags = {"night": version.night, "part_of": version.number}
        told = f"What held of version {version.number}."
        return self.register(ruling.part, version.run, folder, tags, told)

    def _close(self, number: str, verdict: str, night: date, why: str) -> None:
        word = {"in part": "Promoted in part"}.get(verdict, verdict.capitalize())
        self._describe(number, f"**{word}** by the night of {night}: {prose(why)}.")
        self._tell(number, {"why": why[:MAX_VALUE], "verdict": verdict})

    # ------------------------------------------------------------------ MLflow's side

    @property
    def _name(self) -> str:
        return self.registry.model_name(MODEL)

    def _aliased(self, alias: str) -> Version | None:
        found = self.registry.aliased(MODEL, alias)
        if found is None:
            return None
        by_hand = alias == CHAMPION and self.registry.was_set_by_hand(MODEL, found)
        return _version(found, by_hand)

    def _number(self, number: str) -> Version | None:
        from mlflow.exceptions import MlflowException

        if not number:
            return None
        try:
            return _version(self.registry.client.get_model_version(self._name, number))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _tag(self, number: str, key: str) -> str:
        return self.registry.client.get_model_version(self._name, number).tags.get(key, "")

    def _tell(self, number: str, tags: dict[str, str]) -> None:
        for key, value in tags.items():
            self.registry.client.set_model_version_tag(self._name, number, key, value)

    def _describe(self, number: str, told: str) -> None:
        """Puts the verdict above what the search said; once."""
        before = self.registry.client.get_model_version(self._name, number).description or ""
        if told not in before:
            text = f"{told}\n\n{before}"[:MAX_VALUE]
            self.registry.client.update_model_version(self._name, number, text)


def _version(found: Any, by_hand: bool = False) -> Version:
    tags = found.tags
    return Version(
        number=str(found.version),
        night=tags.get("night", ""),
        source=found.source or "",
        sha256=tags.get("settings_sha256", ""),
        verdict=tags.get("verdict", ""),
        judged_on=tags.get("judged_on", ""),
        replaced=tags.get("replaced", ""),
        part_of=tags.get("part_of", ""),
        run=found.run_id or "",
        by_hand=by_hand,
    )
