"""A night's record in MLflow: a parent run, a child run a model, pictures, and the model card.

A source is one run with its figures for both placements, as metrics `for_you/…` and `discover/…`, so
that MLflow's columns compare it with the rankers; these have a run for each placement.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nightshelf.errors import NightshelfError
from nightshelf.evaluation import Interval
from nightshelf.judging import gate, quality
from nightshelf.learning import trained
from nightshelf.night import ROLES, WINDOW_DAYS, Night
from nightshelf.paths import Attempt
from nightshelf.pinned.settings import pinned
from nightshelf.progress import Progress
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.ranking.shown import SHOWN
from nightshelf.registry import Registry, pictures
from nightshelf.registry.card import Card, prose, quoted, shortened
from nightshelf.registry.store import MAX_VALUE, NOT_PROMOTED, NOTE, PROMOTED, UNDER_WAY
from nightshelf.settings.models import OF_RANKER, ModelSettings
from nightshelf.settings.shop import Shop
from nightshelf.storage import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nightshelf.judging.evaluate import Decision, Examined

FEW_USERS = 200
"""With fewer the interval of nDCG@10 is wider than most differences between models."""


@dataclass(frozen=True, eq=False)
class Record:
    """What is told to MLflow of one night."""

    registry: Registry
    shop: Shop
    night: Night
    attempt: Attempt
    tags: dict[str, str]
    parent: str
    runs: dict[str, str] = field(default_factory=dict)
    """Model → its run, open until the night's record ends."""

    @classmethod
    def begin(
        cls,
        registry: Registry,
        shop: Shop,
        night: Night,
        attempt: Attempt,
        tags: dict[str, str],
        data: dict[str, object],
    ) -> Record:
        """Opens the parent run: the shop's settings, seeds, and what the night was made of."""
        parent = registry.begin(f"night {night.date} attempt {attempt.number}", None, tags)
        more = {"mlflow.source.git.commit": tags["git_commit"], "mlflow.source.name": "nightshelf"}
        registry.tag(parent, more)
        registry.log_data(parent, f"{shop.name}: marts.fct_interactions", data, str(data["hash"]))
        seeds = {"bootstrap_seed": quality.SEED, "gate_margin": gate.MARGIN}
        registry.log(parent, {"shop": shop.model_dump_json(), **seeds}, {})
        return cls(registry, shop, night, attempt, tags, parent)

    def sources(self, progress: Progress) -> None:
        """A child run a source: what it was fitted with, and the fitted arrays."""
        params = pinned(self.attempt).settings
        for name, saved in trained.told(self.attempt, "sources.json").items():
            progress.advance(f"MLflow: {name}")
            role = "baseline" if name in quality.BASELINES else "source"
            run = self._run(name, {"role": role, "sha256": saved["sha256"]})
            told = {**asdict(params[name]), "fingerprint": saved["fingerprint"]}
            self.registry.log(run, told, {"fit_seconds": saved["seconds"]})
            self.registry.keep_linked(run, "model", self.attempt.models / saved["file"])

    def _run(self, name: str, tags: Mapping[str, str]) -> str:
        """The model's child run, begun if it has none yet."""
        if name not in self.runs:
            self.runs[name] = self.registry.begin(name, self.parent, {**self.tags, **tags})
        return self.runs[name]

    def contenders(self, examined: Examined) -> dict[str, str]:
        """All figures of every contender, in its model's run; contender → run."""
        found, placement = {}, examined.placement
        for contender in examined.found:
            run = found[contender.name] = self._contender_run(contender, examined)
            curve = {f"{placement}/ndcg_by_k": contender.ndcg_by_k}
            self.registry.log(run, {}, _figures(contender, placement), curve)
            if contender.name == examined.verdict.challenger:
                self.registry.tag(run, {f"{placement}_role": "challenger"})
            if contender.name == RANKER:
                self._explain(run, examined)
        if found:
            self._overview(examined)
        return found

    def _contender_run(self, contender: quality.Contender, examined: Examined) -> str:
        """A source's own run; a ranker, tonight's or the champion, has one for the placement."""
        placement = examined.placement
        if contender.name in self.runs:
            return self.runs[contender.name]
        tags = {"placement": placement, "role": contender.name}
        run = self._run(f"{placement}: {contender.name}", tags)
        made_with = parameters(contender.recipe, pinned(self.attempt).settings)
        # MLflow takes no plus sign in a name.
        named = {kind.replace(" + ", " and "): v for kind, v in examined.kinds.items()}
        kinds = {f"{placement}/kinds/{kind}": v for kind, v in named.items()}
        self.registry.log(run, made_with, kinds if contender.name == RANKER else {})
        return run

    def _explain(self, run: str, examined: Examined) -> None:
        """The ranker's curves and what it goes by: pictures, and their data."""
        curves = examined.curves
        self.registry.keep_json(run, "curves/curves.json", curves)
        self.registry.keep_pictures(run, "curves", curve_pictures(curves))
        if curves.get("calibration"):
            of, where = curves["calibration"], examined.placement
            told = {f"{where}/calibration_{n}": of[n][0] for n in ("error", "brier")}
            self.registry.log(run, {}, told)

    def _overview(self, examined: Examined) -> None:
        """All contenders of a placement side by side, on the parent run."""
        found, roles = examined.found, roles_tonight(examined)
        gates = {c.name: _three(c.gate) for c in sorted(found, key=lambda c: -c.gate.mean)}
        shown = sorted((c for c in found if _is_shown(c, examined)), key=lambda c: -c.gate.mean)
        cohorts = {
            f"{t.name} users: {t.told} ({t.size:,})": {
                c.name: _three(c.intervals[t.figure]) for c in shown
            }
            for t in examined.cohorts
            if "/users/" in t.figure
        }
        drawn = {
            "contenders": pictures.intervals_picture(gates, quality.GATE_METRIC, roles),
            "ndcg_by_k": pictures.ndcg_picture({c.name: c.ndcg_by_k for c in found}, roles),
            "cohorts": pictures.cohorts_picture(cohorts, quality.GATE_METRIC, roles),
        }
        self.registry.keep_pictures(self.parent, examined.placement, drawn)
        told = {
            "contenders": quality.table(found),
            "cohorts": [asdict(t) for t in examined.cohorts],
        }
        self.registry.keep_json(self.parent, f"{examined.placement}/examination.json", told)

    def register(
        self, examined: Examined, challenger: quality.Contender, run: str, promote: bool, why: str
    ) -> str:
        """The challenger as a version, its card as description and as artefact; its number. One that is
        to be promoted says that this is under way, until `promoted` is told."""
        verdict = UNDER_WAY if promote else NOT_PROMOTED
        card = self._keep_card(examined, challenger, run, verdict, why)
        measured = {
            "placement": examined.placement,
            "source": challenger.recipe.source,
            "ndcg_at_10": f"{challenger.gate.mean:.4f}",
            "ndcg_at_10_interval": f"{challenger.gate.low:.4f} to {challenger.gate.high:.4f}",
            "n_users": str(examined.n_users),
        }
        folder = self.attempt.models / "challengers" / examined.placement
        return self.registry.register(
            examined.placement,
            challenger.recipe,
            run,
            folder,
            {**self.tags, **measured, "verdict": verdict, "why": why},
            card,
        )

    def promoted(
        self, examined: Examined, challenger: quality.Contender, run: str, version: str, why: str
    ) -> None:
        """The verdict of a version whose alias has been moved."""
        card = self._keep_card(examined, challenger, run, PROMOTED, why)
        self.registry.give_verdict(examined.placement, version, PROMOTED, card)

    def _keep_card(
        self, examined: Examined, challenger: quality.Contender, run: str, verdict: str, why: str
    ) -> str:
        """The card among the run's artefacts, and at its top; returns what fits into a description."""
        card = self.card(examined, challenger, verdict, why)
        self.registry.keep_text(run, f"{examined.placement}/model_card.md", card.markdown())
        brief = shortened(card.markdown(brief=True), MAX_VALUE)
        self.registry.tag(run, {NOTE: brief})
        return brief

    def card(
        self, examined: Examined, challenger: quality.Contender, verdict: str, why: str
    ) -> Card:
        recipe, as_of = challenger.recipe, self.night.as_of("evaluate")
        last = self.night.date - timedelta(days=1)
        return Card(
            model=self.registry.model_name(examined.placement),
            shop=self.shop.title or self.shop.name,
            placement=examined.placement,
            view=examined.view,
            verdict=verdict.capitalize(),
            why=why,
            made_by=[
                *self._kinds(examined, recipe),
                *parameters(recipe, pinned(self.attempt).settings).items(),
            ],
            made_of=self._made_of(recipe),
            window=f"{as_of} to {last}",
            n_users=examined.n_users,
            of=challenger.name,
            contenders=quality.table(examined.found),
            cohorts=[(t.name, t.told, t.figure) for t in examined.cohorts],
            limits=known_limits(examined, challenger),
            reproduce=self._reproduce(),
            beside=(*quality.BASELINES, quality.CHAMPION),
        )

    def _kinds(self, examined: Examined, recipe: Recipe) -> list[tuple[str, object]]:
        """The kinds of rankers that were compared before one was taken."""
        if recipe.source != RANKER:
            return []
        label = f"nDCG@10 on the cut of {self.night.as_of('train_1')}"
        return [(label, f"{kind} {value:.4f}") for kind, value in examined.kinds.items()]

    def _made_of(self, recipe: Recipe) -> list[tuple[str, object]]:
        told = [
            ("interactions", f"{int(self.tags['data_rows']):,} rows"),
            ("of the days", f"{self.tags['data_first']} to {self.tags['data_last']}"),
            ("hash of the rows", self.tags["data_hash"]),
            ("night", f"{self.night.date}, attempt {self.attempt.number}"),
        ]
        if recipe.source == RANKER:
            cuts = ", ".join(str(self.night.as_of(r)) for r in ROLES if r.startswith("train"))
            newest = ", ".join(str(self.night.as_of(r)) for r in ("train_1", "evaluate"))
            told.append(("labels, as examined", f"{WINDOW_DAYS} days after each of {cuts}"))
            told.append(("labels, as it serves", f"{WINDOW_DAYS} days after each of {newest}"))
            if SHOWN in recipe.ranker.features:
                told.append((SHOWN, "where an item was shown; ranked as if all were at the top"))
        return told

    def _reproduce(self) -> list[tuple[str, object]]:
        keys = (
            "nightshelf_version",
            "git_commit",
            "requirements_lock_sha256",
            "dbt_manifest_sha256",
        )
        command = f"nightshelf night --shop <the shop's file> --as-of {self.night.date}"
        return [
            ("command", command),
            *((key.replace("_", " "), self.tags[key]) for key in keys),
            ("seed of the bootstrap", quality.SEED),
        ]

    def decided(self, placement: str, decision: Decision) -> None:
        """Who serves, as tags of the parent run."""
        told = {f"{placement}_{k}": str(v) for k, v in decision.told().items() if v is not None}
        self.registry.tag(self.parent, told)

    def compared(self, examined: Examined, serves: str) -> None:
        """On the night's own run, so that nights stand side by side: the figure of who serves, and of
        the baselines; of each contender the mean over both windows that chose among them."""
        own = {c.name: c.gate for c in examined.found}
        shown = {n: own[n] for n in (serves, *quality.BASELINES) if n in own}
        told = {"serving" if n == serves else n: i for n, i in shown.items()}
        figures = {
            f"{examined.placement}/{n}/{quality.GATE_METRIC}": i.mean for n, i in told.items()
        }
        both = {
            f"{examined.placement}/{n}/{quality.GATE_METRIC}/two_windows": mean
            for n, mean in examined.over_windows.items()
        }
        self.registry.log(self.parent, {}, figures | both)

    def end(self, decisions: dict[str, Decision]) -> None:
        warned = [f"{p}: {d.warning}" for p, d in decisions.items() if d.warning]
        if warned:
            self.registry.tag(self.parent, {"warning": "; ".join(warned)})
        self.registry.tag(self.parent, {NOTE: note(decisions)})
        write_json(
            self.attempt.mlflow_run, {"run": self.parent, "experiment": self.registry.experiment}
        )
        self.registry.keep(self.parent, "", self.attempt.quality)
        self._finish("FINISHED")

    def failed(self, status: str) -> None:
        """Marks the runs FAILED or KILLED; what went wrong is on its way up already."""
        with contextlib.suppress(NightshelfError), self.registry.told():
            self._finish(status)

    def _finish(self, status: str) -> None:
        for run in (*self.runs.values(), self.parent):
            self.registry.finish(run, status)


SERVES = {
    "challenger": "tonight's model",
    "champion": "the champion of an earlier night",
    "baseline": "a baseline",
}


def note(decisions: dict[str, Decision]) -> str:
    """The night's run in MLflow begins with this."""
    return "\n\n".join(
        f"**{prose('rec_' + placement)}** is ranked by {SERVES[d.serves]},"
        f" {quoted(d.recipe.source)}: {prose(d.why)}."
        + (f" **Warning:** {prose(d.warning)}." if d.warning else "")
        for placement, d in decisions.items()
    )


def parameters(recipe: Recipe, of: ModelSettings) -> dict[str, Any]:
    """What the recipe is and was made with, seeds among it."""
    shared = {"source": recipe.source, "view": recipe.view, "fingerprint": recipe.fingerprint()}
    if recipe.ranker is None:
        return shared | (asdict(of[recipe.source]) if recipe.source in of.tables else {})
    settings = {k: v for name in OF_RANKER for k, v in asdict(of[name]).items()}
    of_ranker = {"kind": recipe.ranker.kind, "n_features": len(recipe.ranker.features)}
    return shared | of_ranker | settings


def curve_pictures(curves: dict[str, dict]) -> dict[str, Figure]:
    """A picture of each curve that there is."""
    drawn = {}
    if curves.get("calibration", {}).get("foretold"):
        drawn["calibration"] = pictures.calibration_picture(curves["calibration"])
    if curves.get("precision_recall", {}).get("recall"):
        drawn["precision_recall"] = pictures.precision_recall_picture(curves["precision_recall"])
    if curves.get("importances"):
        label = "share of what the model makes of all features"
        drawn["importances"] = pictures.importance_picture(curves["importances"], label)
    if curves.get("partial_dependence"):
        drawn["partial_dependence"] = pictures.partial_dependence_picture(
            curves["partial_dependence"]
        )
    return drawn


def known_limits(examined: Examined, challenger: quality.Contender) -> list[str]:
    """What the figures themselves say against the model, then what no offline figure can say."""
    found = list(examined.limits)
    reached = "recall@10/items/new"
    if reached in challenger.intervals and challenger.intervals[reached].n_users:
        share = challenger.mean(reached)
        found.append(f"Of the new items that users took, {share:.1%} stood among its first ten")
    if examined.n_users < FEW_USERS:
        found.append(f"Examined on {examined.n_users:,} users only: small differences are chance")
    found.append(
        f"The sources proposed {examined.reachable:.1%} of what users took: no ranker can find more"
    )
    error = examined.curves.get("calibration", {}).get("error")
    if challenger.name == RANKER and error:
        found.append(f"Its chances are off by {error[0]:.4f} on average over the pool's tenths")
    return [
        *found,
        f"Labels are what was taken within {WINDOW_DAYS} days by users who were there before;"
        " strangers are not examined, they get rec_cold_start",
        "Users could take only what they came across: what a shelf itself would change is not measured",
    ]


def _figures(contender: quality.Contender, placement: str) -> dict[str, float]:
    """Means of everything, and the bounds of what the gate and the cohorts are judged by."""
    told = {m: i.mean for m, i in contender.intervals.items()} | contender.of_lists
    for metric, interval in contender.intervals.items():
        if metric == quality.GATE_METRIC or "/" in metric:
            told |= {f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    return {f"{placement}/{metric}": value for metric, value in told.items()}


def roles_tonight(examined: Examined) -> dict[str, str]:
    """Contender → what pictures highlight it as: who serves, the champion before, the best baseline."""
    baselines = [c for c in examined.found if c.name in quality.BASELINES]
    roles = {gate.strongest(baselines).name: pictures.BASELINE} if baselines else {}
    if any(c.name == quality.CHAMPION for c in examined.found):
        roles[quality.CHAMPION] = pictures.BEFORE
    return roles | {examined.verdict.serves: pictures.SERVES}


def _is_shown(contender: quality.Contender, examined: Examined) -> bool:
    shown = (*quality.BASELINES, RANKER, quality.CHAMPION, examined.verdict.challenger)
    return contender.name in shown


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high
