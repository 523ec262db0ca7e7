"""Laws: written once, run on every model."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nightshelf.candidates import MODELS, base, fingerprint, load_npz, save_npz, similarity
from nightshelf.candidates.factors import TILE
from nightshelf.dataset import Interactions
from nightshelf.errors import ModelError
from tests.support import checkerboard
from tests.support.furnished import COLUMNS, furnished, typed

PERSONAL = ("item_knn", "ials", "svd", "nmf", "user_knn", "rp3beta", "ease")
FOR_EVERYBODY = ("popularity", "trend", "popular_in_segment", "new_arrivals")
"""Who also serve a user nobody knows."""
NEED_A_CATALOGUE = ("content",)
"""Who offer nothing in a shop without one."""
OFFER_THE_UNSOLD = ("content", "new_arrivals", "rules")
"""Who offer what nobody took; nobody else does. Rules: the variant that is left to buy."""
OFFER_WHAT_CAN_BE_BOUGHT = ("content", "trend", "popular_in_segment", "new_arrivals", "rules")
"""Who look at the catalogue's word on it."""
WIDER = {"ials": {"factors": 33}, "svd": {"factors": 17}, "nmf": {"factors": 9}}
"""What the random shop has room for."""
every_model = pytest.mark.parametrize("name", MODELS)


def make(name, **changes):
    """Small enough for a checkerboard; one buyer suffices, so that tiny shops have answers."""
    small = {"ials": {"factors": 2, "min_buyers": 1}, "svd": {"factors": 2, "min_buyers": 1}}
    small["item_knn"] = {"min_buyers": 1}
    small["nmf"] = {"factors": 2, "min_buyers": 1}
    small["rp3beta"] = {"min_buyers": 1}
    small["ease"] = {"min_buyers": 1}
    small["rules"] = {"min_baskets": 1}
    cls = MODELS[name]
    return cls(cls.Params(**{**small.get(name, {}), **changes}))


def has_answers(name, shop):
    """Does the model offer anything in this shop?"""
    return shop.catalogue is not None or name not in NEED_A_CATALOGUE


def table(recommendations):
    """The bytes of each column."""
    columns = ("users", "item_codes", "scores", "ranks")
    return {column: getattr(recommendations, column).tobytes() for column in columns}


def random_shop(n_users=300, n_items=3000, n_rows=9000, seed=7):
    """Larger than any block, with more items than the groups of top_k."""
    generator = np.random.default_rng(seed)
    users = [f"u{code:03d}" for code in generator.integers(0, n_users, n_rows)]
    items = [f"i{int(code):04d}" for code in n_items * generator.random(n_rows) ** 2]
    days = generator.integers(checkerboard.AS_OF - 200, checkerboard.AS_OF, n_rows)
    return Interactions.from_arrays(users, items, days, None, checkerboard.AS_OF)


@pytest.fixture(scope="module", params=["rows alone", "with a catalogue"])
def shop(request):
    return random_shop() if request.param == "rows alone" else furnished(typed(random_shop()))


@pytest.fixture(scope="module")
def fitted(shop):
    return {name: make(name, **WIDER.get(name, {})).fit(shop) for name in MODELS}


@pytest.mark.parametrize("name", PERSONAL)
def test_the_held_back_item_comes_first_among_new_ones(name):
    shop = checkerboard.interactions()
    model = make(name).fit(shop)
    found = model.recommend(shop.users, 1, shop.bought())
    expected = [checkerboard.item_id(checkerboard.held_back(u)) for u in range(len(shop.users))]
    assert model.items[found.item_codes].tolist() == expected


@every_model
def test_fitting_twice_is_fitting_once(name, shop, fitted):
    again = make(name, **WIDER.get(name, {}))
    again.fit(checkerboard.interactions())
    assert fingerprint(again.fit(shop).arrays()) == fingerprint(fitted[name].arrays())


@every_model
def test_saving_and_loading_changes_nothing(name, shop, fitted, tmp_path):
    model = fitted[name]
    sha256 = save_npz(tmp_path / "model.npz", model.arrays())
    loaded = type(model).from_arrays(load_npz(tmp_path / "model.npz", sha256), model.params)
    assert fingerprint(loaded.arrays()) == fingerprint(model.arrays())
    before, after = (m.recommend(shop.users, 20, shop.bought()) for m in (model, loaded))
    assert table(before) == table(after)


@every_model
def test_arrays_are_numbers(name, fitted):
    assert {array.dtype.kind for array in fitted[name].arrays().values()} <= set("iuf")


@every_model
@pytest.mark.parametrize("block", [1, 7, TILE, 1000])
def test_block_size_changes_nothing(name, block, shop, fitted):
    whole = fitted[name].recommend(shop.users, 20, shop.bought(), block=64)
    assert table(whole) == table(fitted[name].recommend(shop.users, 20, shop.bought(), block=block))


@every_model
def test_user_order_and_company_change_nothing(name, shop, fitted):
    model, bought = fitted[name], shop.bought()
    whole = model.recommend(shop.users, 20, bought)
    order = np.random.default_rng(1).permutation(len(shop.users))[:101]
    part = model.recommend(shop.users[order], 20, bought[order])
    for position, user in enumerate(order):
        here, there = part.users == position, whole.users == user
        assert part.item_codes[here].tobytes() == whole.item_codes[there].tobytes()
        assert part.scores[here].tobytes() == whole.scores[there].tobytes()


@every_model
def test_who_is_asked_about_alone_is_told_the_same(name, shop, fitted):
    few = [*fitted[name].users[::17], "nobody knows"]
    alone = make(name, **WIDER.get(name, {})).fit(shop, few)
    assert table(alone.recommend(few, 20)) == table(fitted[name].recommend(few, 20))


@every_model
def test_the_number_of_cores_changes_nothing(name, shop, fitted, monkeypatch):
    from nightshelf.candidates import content, ease, least_squares

    for module in (base, content, ease, least_squares, similarity):
        monkeypatch.setattr(module, "cores", lambda: 1)
    model = type(fitted[name])(fitted[name].params).fit(shop)
    assert fingerprint(model.arrays()) == fingerprint(fitted[name].arrays())
    assert table(model.recommend(shop.users, 9)) == table(fitted[name].recommend(shop.users, 9))


@every_model
@pytest.mark.parametrize("k", [1, 5, 5000])
def test_lists_are_short_enough_ordered_and_without_holes(name, k, shop, fitted):
    found = fitted[name].recommend(shop.users, k)
    assert np.isfinite(found.scores).all()
    assert bool(len(found)) == has_answers(name, shop)
    for user in np.unique(found.users):
        mine = found.users == user
        ranks, codes, scores = found.ranks[mine], found.item_codes[mine], found.scores[mine]
        assert ranks.tolist() == list(range(1, len(ranks) + 1))
        assert len(ranks) <= k
        assert len(set(codes.tolist())) == len(codes)
        falling = scores[1:] < scores[:-1]
        by_code = (scores[1:] == scores[:-1]) & (codes[1:] > codes[:-1])
        # Own history orders equal scores by recency first: its own test says so.
        assert (falling | by_code).all() or name == "own_history"
    assert (np.diff(found.users) >= 0).all()


@every_model
def test_a_pair_s_score_is_the_one_that_the_list_ranks_by(name, shop, fitted):
    model = fitted[name]
    found = model.recommend(shop.users, 20)
    everybody = model.opinion(shop.users)(np.arange(len(shop.users)))
    assert everybody.of(found.users, found.item_codes).tobytes() == found.scores.tobytes()


@every_model
def test_pairs_that_a_model_never_offers_score_nothing(name, shop, fitted):
    model, n_items = fitted[name], len(shop.items)
    users = ["nobody knows me", *shop.users[:5]]
    codes = np.repeat(np.arange(len(users)), n_items)
    opinion = model.opinion(users)(np.arange(len(users)))
    scores = opinion.of(codes, np.tile(np.arange(n_items, dtype=np.int32), len(users)))
    offered = np.zeros((len(users), n_items), dtype=bool)
    found = model.recommend(users, n_items)
    offered[found.users, found.item_codes] = True
    assert np.isfinite(scores).all()
    assert not scores[~offered.ravel()].any()


@every_model
def test_an_excluded_item_is_never_offered(name, shop, fitted):
    generator = np.random.default_rng(3)
    exclude = csr_matrix(generator.random(shop.shape) < 0.5)
    found = fitted[name].recommend(shop.users, 100, exclude)
    assert bool(len(found)) == has_answers(name, shop)
    assert not exclude.toarray()[found.users, found.item_codes].any()


@every_model
def test_a_shorter_list_is_the_beginning_of_a_longer_one(name, shop, fitted):
    long, short = (fitted[name].recommend(shop.users, k) for k in (50, 5))
    kept = long.ranks <= 5
    assert long.item_codes[kept].tobytes() == short.item_codes.tobytes()


@every_model
def test_a_stored_false_excludes_nothing(name, shop, fitted):
    exclude = shop.bought()
    exclude.data[:] = False
    free = fitted[name].recommend(shop.users, 5)
    assert table(free) == table(fitted[name].recommend(shop.users, 5, exclude))


@every_model
def test_exclude_of_another_shape_is_refused(name, shop, fitted):
    with pytest.raises(ModelError, match="exclude is 2 × 3, but 1 users were asked for"):
        fitted[name].recommend(["u001"], 5, csr_matrix((2, 3), dtype=bool))


@every_model
def test_an_unknown_user_gets_what_is_for_everybody_or_nothing(name, fitted):
    found = fitted[name].recommend(["nobody we know"], 5)
    assert len(found) == (5 if name in FOR_EVERYBODY else 0)


@every_model
def test_nobody_asked_gives_no_rows(name, fitted):
    assert len(fitted[name].recommend([], 5)) == 0


@every_model
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("u", "i", 17_000)],
        [("u", "i", 17_000), ("u", "j", 17_499), ("u", "k", 17_499)],
        [("u", "i", 17_000), ("v", "i", 17_499), ("w", "i", 17_499)],
    ],
    ids=["empty", "one row", "one user", "one item"],
)
@pytest.mark.parametrize("min_buyers", [1, 5])
@pytest.mark.parametrize("said", ["no catalogue", "a catalogue", "a catalogue of ids"])
def test_a_tiny_shop_ends_well(name, rows, min_buyers, said, tmp_path):
    shop = checkerboard.from_rows(rows)
    if said != "no catalogue":
        shop = furnished(typed(shop), COLUMNS if said == "a catalogue of ids" else ())
    changes = {"min_buyers": min_buyers} if hasattr(MODELS[name].Params, "min_buyers") else {}
    model = make(name, **changes).fit(shop)
    sha256 = save_npz(tmp_path / "model.npz", model.arrays())
    model = type(model).from_arrays(load_npz(tmp_path / "model.npz", sha256), model.params)
    found = model.recommend(shop.users, 3)
    assert np.isfinite(found.scores).all()
    assert len(model.recommend(shop.users, 3, shop.bought())) <= len(found)


@every_model
def test_arrays_of_something_else_are_refused(name, fitted):
    arrays = fitted[name].arrays()
    missing = next(key for key in arrays if not key.startswith(("users", "items")))
    del arrays[missing]
    with pytest.raises(ModelError, match=f"not a {name} model.*{missing}"):
        MODELS[name].from_arrays(arrays)


@every_model
@pytest.mark.parametrize("column", COLUMNS)
def test_a_catalogue_that_lacks_a_column_ends_well(name, column, tmp_path):
    rows = random_shop(n_users=120, n_items=600, n_rows=1500)
    shop = furnished(typed(rows), [column])
    model = make(name).fit(shop)
    sha256 = save_npz(tmp_path / "model.npz", model.arrays())
    loaded = type(model).from_arrays(load_npz(tmp_path / "model.npz", sha256), model.params)
    found = model.recommend(shop.users, 9)
    assert len(found)
    assert np.isfinite(found.scores).all()
    assert table(found) == table(loaded.recommend(shop.users, 9, block=5))


@every_model
def test_a_catalogue_of_ids_alone_is_as_good_as_none(name):
    rows = random_shop(n_users=120, n_items=600, n_rows=1500)
    shop = furnished(rows, COLUMNS)
    found = make(name).fit(shop).recommend(shop.users, 9)
    assert bool(len(found)) == (name not in NEED_A_CATALOGUE)


@every_model
def test_a_fit_forgets_an_earlier_catalogue(name):
    shop = checkerboard.interactions()
    again = make(name).fit(furnished(typed(shop))).fit(shop)
    assert fingerprint(again.arrays()) == fingerprint(make(name).fit(shop).arrays())


@every_model
def test_what_nobody_took_is_offered_by_those_who_know_the_catalogue_alone(name):
    shop = furnished(typed(random_shop()))
    found = make(name).fit(shop).recommend(shop.users, 5000)
    sold = np.bincount(shop.item_codes, minlength=len(shop.items)) > 0
    assert sold[found.item_codes].all() == (name not in OFFER_THE_UNSOLD)


@pytest.mark.parametrize("name", OFFER_WHAT_CAN_BE_BOUGHT)
def test_what_cannot_be_bought_is_not_offered(name):
    shop = furnished(typed(random_shop()))
    assert not shop.catalogue.offerable.all()
    found = make(name).fit(shop).recommend(shop.users, 5000)
    assert shop.catalogue.offerable[found.item_codes].all()
