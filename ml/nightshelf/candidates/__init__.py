"""Candidate models: who might want what. One module a model; all answer in one shape.

`MODELS` maps a model's name to its class; `ModelSettings.of_files().models()` makes one of each from
ml/config/models.toml.
"""

from __future__ import annotations

from nightshelf.candidates.base import CandidateModel
from nightshelf.candidates.best import Recommendations
from nightshelf.candidates.companions import (
    BoughtTogetherParams,
    Companions,
    bought_together,
)
from nightshelf.candidates.content import Content, ContentParams
from nightshelf.candidates.covisitation import Covisitation, CovisitationParams
from nightshelf.candidates.ease import Ease, EaseParams
from nightshelf.candidates.files import fingerprint, load_npz, save_npz
from nightshelf.candidates.ials import Ials, IalsParams
from nightshelf.candidates.item_knn import ItemKnn, ItemKnnParams
from nightshelf.candidates.markov import Markov, MarkovParams
from nightshelf.candidates.new_arrivals import NewArrivals, NewArrivalsParams
from nightshelf.candidates.nmf import Nmf, NmfParams
from nightshelf.candidates.own_history import OwnHistory, OwnHistoryParams
from nightshelf.candidates.params import MODELS_TOML
from nightshelf.candidates.popularity import Popularity, PopularityParams
from nightshelf.candidates.random_walk import Rp3beta, Rp3betaParams
from nightshelf.candidates.rules import Rules, RulesParams
from nightshelf.candidates.segment import PopularInSegment, PopularInSegmentParams
from nightshelf.candidates.svd import Svd, SvdParams
from nightshelf.candidates.trend import Trend, TrendParams
from nightshelf.candidates.user_knn import UserKnn, UserKnnParams

MODELS: dict[str, type[CandidateModel]] = {
    model.name: model
    for model in (
        OwnHistory,
        Popularity,
        ItemKnn,
        Ials,
        Svd,
        Nmf,
        Covisitation,
        Markov,
        Rules,
        Content,
        Trend,
        PopularInSegment,
        NewArrivals,
        UserKnn,
        Rp3beta,
        Ease,
    )
}


__all__ = [
    "MODELS",
    "MODELS_TOML",
    "BoughtTogetherParams",
    "CandidateModel",
    "Companions",
    "Covisitation",
    "CovisitationParams",
    "Content",
    "ContentParams",
    "Ease",
    "EaseParams",
    "Ials",
    "IalsParams",
    "ItemKnn",
    "ItemKnnParams",
    "Markov",
    "MarkovParams",
    "Nmf",
    "NmfParams",
    "NewArrivals",
    "NewArrivalsParams",
    "OwnHistory",
    "OwnHistoryParams",
    "PopularInSegment",
    "PopularInSegmentParams",
    "Popularity",
    "PopularityParams",
    "Recommendations",
    "Rp3beta",
    "Rp3betaParams",
    "Rules",
    "RulesParams",
    "Svd",
    "SvdParams",
    "Trend",
    "TrendParams",
    "UserKnn",
    "UserKnnParams",
    "bought_together",
    "fingerprint",
    "load_npz",
    "save_npz",
]
