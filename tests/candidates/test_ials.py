import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from nightshelf.candidates import Ials, IalsParams, least_squares
from nightshelf.candidates.base import one_blas_thread
from nightshelf.candidates.ials import noise
from nightshelf.candidates.least_squares import Ratings, solve_rows
from nightshelf.candidates.teachers import teachers
from nightshelf.dataset import Interactions
from nightshelf.errors import SettingsError
from tests.support import checkerboard

ENOUGH = 40
"""Steps after which a row of a few factors is solved as well as float32 can."""


def example(n_rows=200, n_columns=150, width=8, seed=5):
    """Weights, pulls, ridges and fixed factors at random; row 3 is empty, row 7 full."""
    generator = np.random.default_rng(seed)
    weights = random_array((n_rows, n_columns), density=0.1, rng=generator).tolil()
    weights[3], weights[7] = 0, 1
    weights = csr_matrix(weights, dtype=np.float32)
    weights.eliminate_zeros()
    pulls = weights.data * (1 + generator.random(weights.nnz, dtype=np.float32))
    ratings = Ratings(weights, pulls, 0.5 + generator.random(n_rows), unobserved=0.3)
    return ratings, generator.standard_normal((n_columns, width)).astype(np.float32)


def solved(ratings, fixed, steps=ENOUGH):
    start = np.ones((ratings.weights.shape[0], fixed.shape[1]), dtype=np.float32)
    with one_blas_thread():
        return solve_rows(ratings, fixed, start, steps)


def loss(ratings, fixed, row, x):
    """The loss as the module states it, of one row's factors."""
    part = slice(*ratings.weights.indptr[row : row + 2])
    c = ratings.weights.data[part].astype(float)
    r, scores = ratings.pulls[part] / c, fixed.astype(float) @ x
    observed = c @ (r - scores[ratings.weights.indices[part]]) ** 2
    return observed + ratings.unobserved * scores @ scores + ratings.ridge[row] * x @ x


@pytest.mark.parametrize("row", [0, 7, 11])
def test_the_gradient_of_the_stated_loss_vanishes(row):
    ratings, fixed = example()
    x, h = solved(ratings, fixed)[row].astype(float), 1e-4
    units = h * np.eye(len(x))
    slopes = [
        (loss(ratings, fixed, row, x + e) - loss(ratings, fixed, row, x - e)) / (2 * h)
        for e in units
    ]
    assert np.abs(slopes).max() < 1e-3 * loss(ratings, fixed, row, 0 * x)
    assert loss(ratings, fixed, row, 1.01 * x) > loss(ratings, fixed, row, x)


def test_three_steps_are_as_good_as_an_exact_solution():
    ratings, fixed = example()
    exact, quick = solved(ratings, fixed), solved(ratings, fixed, least_squares.STEPS)
    best, reached = (
        sum(loss(ratings, fixed, row, x.astype(float)) for row, x in enumerate(factors))
        for factors in (exact, quick)
    )
    assert best <= reached < 1.001 * best


def test_as_many_steps_as_factors_solve_a_row():
    # Conjugate directions, not the steepest ones: those need hundreds where weights are heavy.
    ratings, fixed = example()
    heavy = Ratings(300 * ratings.weights, 300 * ratings.pulls, ratings.ridge, ratings.unobserved)
    for row, x in enumerate(solved(heavy, fixed, fixed.shape[1] + 1).astype(float)):
        here = heavy.weights[row].indices
        y, c = fixed[here].astype(float), heavy.weights[row].data
        everywhere = heavy.unobserved * fixed.T.astype(float) @ fixed
        system = everywhere + heavy.ridge[row] * np.eye(len(x)) + (y.T * c) @ y
        part = slice(*heavy.weights.indptr[row : row + 2])
        assert x == pytest.approx(np.linalg.solve(system, y.T @ heavy.pulls[part]), abs=2e-3)


def test_a_row_without_entries_is_zero():
    assert not solved(*example())[3].any()


def test_one_row_of_known_numbers():
    # All columns: 0.5 × (1 + 4 + 9) = 7; stored ones: 2 × 1 + 4 × 4 = 18; ridge 1.
    weights = csr_matrix(np.array([[2, 4, 0]], dtype=np.float32))
    ratings = Ratings(weights, weights.data, np.array([1.0]), unobserved=0.5)
    fixed = np.array([[1], [2], [3]], dtype=np.float32)
    assert solved(ratings, fixed) == pytest.approx(np.array([[(2 * 1 + 4 * 2) / (7 + 18 + 1)]]))


@pytest.mark.parametrize("block", [1 << 6, 1 << 9, 1 << 14])
def test_the_size_of_blocks_changes_no_bit(block, monkeypatch):
    ratings, fixed = example()
    whole = solved(ratings, fixed)
    monkeypatch.setattr(least_squares, "BLOCK", block)
    assert whole.tobytes() == solved(ratings, fixed).tobytes()


def test_a_very_long_row_is_solved_in_parts(monkeypatch):
    ratings, fixed = example()
    whole = solved(ratings, fixed)
    monkeypatch.setattr(least_squares, "BLOCK", 64)
    monkeypatch.setattr(least_squares, "LONG", 100)
    assert solved(ratings, fixed) == pytest.approx(whole, abs=1e-5)


def test_lengths_are_filled_up_by_an_eighth_at_most():
    lengths = np.arange(1, 5000)
    rounded = least_squares._round_lengths(lengths)
    assert (rounded[:16] == lengths[:16]).all()
    assert (lengths <= rounded).all() and (rounded <= 1.125 * lengths).all()
    assert len(set(rounded.tolist())) < 90


def test_a_rank_one_matrix_is_recovered():
    generator = np.random.default_rng(2)
    wanted = np.outer(1 + generator.random(30), 1 + generator.random(20)).astype(np.float32)
    seen = generator.random(wanted.shape) < 0.5
    weights, shape = csr_matrix(seen, dtype=np.float32), wanted.shape

    def sides(matrix, values):
        return Ratings(matrix, values, np.full(matrix.shape[0], 1e-6), unobserved=0.0)

    by_row = sides(weights, wanted[seen])
    by_column = sides(weights.T.tocsr(), wanted.T[seen.T])
    rows, columns = np.ones((shape[0], 1), np.float32), np.zeros((shape[1], 1), np.float32)
    for _ in range(20):
        columns = solve_rows(by_column, rows, columns)
        rows = solve_rows(by_row, columns, rows)
    assert rows @ columns.T == pytest.approx(wanted, rel=1e-3)


def test_the_same_weights_give_the_model_of_implicit():
    # implicit minimises Σ_all C (1 or 0 - x·y)²: a stored pair weighs C - 1 on top, and pulls by C.
    from implicit.cpu.als import AlternatingLeastSquares

    confidence, items = example(width=8)[0].weights.copy(), example(width=8)[1]
    confidence.data = 1 + 5 * confidence.data
    extra = confidence.copy()
    extra.data = confidence.data - 1

    def sides(extra, confidence):
        return Ratings(extra, confidence.data, np.full(extra.shape[0], 3.0), unobserved=1.0)

    by_user = sides(extra, confidence)
    by_item = sides(extra.T.tocsr(), confidence.T.tocsr())
    users = np.zeros((confidence.shape[0], items.shape[1]), dtype=np.float32)
    with one_blas_thread():
        theirs = AlternatingLeastSquares(
            factors=8, regularization=3.0, alpha=1.0, iterations=5, use_cg=False, num_threads=1
        )
        theirs.user_factors, theirs.item_factors = users.copy(), items.copy()
        theirs.fit(confidence, show_progress=False)
        for _ in range(5):
            users = solve_rows(by_user, items, users, ENOUGH)
            items = solve_rows(by_item, users, items, ENOUGH)
    found, expected = users @ items.T, theirs.user_factors @ theirs.item_factors.T
    assert np.abs(expected).max() > 0.5
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_ridge_grows_with_what_a_row_weighs(exponent):
    values = csr_matrix(np.array([[1, 1, 1, 1], [2, 0, 0, 0]], dtype=np.float32))
    params = IalsParams(regularization=3.0, regularization_exponent=exponent, unobserved_weight=0.5)
    ridge = Ials(params)._ratings(values, values).ridge
    weighs = np.array([4 + 0.5 * 4, 1 + 0.5 * 4])
    assert ridge[0] / ridge[1] == pytest.approx((weighs[0] / weighs[1]) ** exponent)
    assert (ridge / noise(values)).mean() == pytest.approx(3.0, rel=0.02)


def test_noise_is_the_largest_singular_value_of_chance():
    generator = np.random.default_rng(4)
    dense = generator.standard_normal((400, 200)) * (generator.random((400, 200)) < 0.2)
    assert noise(csr_matrix(dense)) == pytest.approx(np.linalg.norm(dense, 2), rel=0.05)


def test_whose_items_all_have_too_few_buyers_gets_no_rows():
    users = [f"u{n:03d}" for n in range(200)]
    rows = [(user, item, 99) for user in users for item in "ab"] + [("v", "rare", 99)]
    shop = Interactions.from_arrays(*zip(*rows, strict=True), None, 100)
    model = Ials(IalsParams(min_buyers=2, factors=2)).fit(shop)
    assert model.recommend(["v", "u000"], 5).users.tolist() == [1, 1]


def test_another_seed_is_another_ials():
    data = checkerboard.interactions()
    one, two = (Ials(IalsParams(factors=4, min_buyers=1, seed=seed)).fit(data) for seed in (1, 2))
    assert not np.array_equal(one.item_factors, two.item_factors)


def test_settings_out_of_range_are_refused_by_name():
    with pytest.raises(SettingsError, match="regularization_exponent = 2"):
        IalsParams(regularization_exponent=2)


def of_many(values, **changes) -> Ials:
    """A model that knows the users of the rows."""
    model = Ials(IalsParams(factors=4, **changes))
    model.users = np.array([f"u{n:02}" for n in range(values.shape[0])], dtype=object)
    return model


def test_items_are_learnt_from_the_most_users_and_everybody_s_factors_are_the_answers_to_them():
    generator = np.random.default_rng(6)
    dense = generator.random((60, 20)) * (generator.random((60, 20)) < 0.3)
    values = csr_matrix(dense, dtype=np.float32)
    model = of_many(values, max_users=25)
    some = teachers(model.users, values, 25)
    alone = of_many(values[some])._factorise(values[some], 4)
    users, items = model._factorise(values, 4)
    assert items.tobytes() == alone[1].tobytes()
    # As many steps as it takes, beside the few that a night has time for.
    ratings = model._ratings(values, values[some])
    assert users == pytest.approx(solved(ratings, items), abs=1e-3)
    assert users[some] == pytest.approx(alone[0], abs=2e-2)


def test_an_item_that_no_teacher_took_is_nobodys():
    users = [f"u{n:02}" for n in range(40)]
    everybody = csr_matrix(np.ones((40, 1)))
    taught = teachers(np.array(users, dtype=object), everybody, 20)
    others = [user for n, user in enumerate(users) if n not in taught]
    rows = [(user, item, 99) for user in users for item in "ab"]
    rows += [(user, "late", 99) for user in others]
    shop = Interactions.from_arrays(*zip(*rows, strict=True), None, 100)
    model = Ials(IalsParams(factors=2, min_buyers=1, max_users=20)).fit(shop)
    assert model.items[model.active].tolist() == ["a", "b"]
    assert len(Ials(IalsParams(factors=2, min_buyers=1)).fit(shop).active) == 3


def test_only_those_who_are_asked_about_are_solved_beside_the_most_users():
    rows = [(f"u{u:02}", f"i{i}", 99) for u in range(12) for i in range(6) if u % 2 == i % 2]
    shop = Interactions.from_arrays(*zip(*rows, strict=True), None, 100)
    params = IalsParams(factors=2, min_buyers=1, max_users=5)
    whole, asked = Ials(params).fit(shop), Ials(params).fit(shop, ["u03"])
    assert whole.user_factors.any(axis=1).all()
    assert np.flatnonzero(asked.user_factors.any(axis=1)).tolist() == [3]
    assert asked.user_factors[3] == pytest.approx(whole.user_factors[3], abs=1e-6)
