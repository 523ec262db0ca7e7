import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshelf.candidates import Content, ContentParams
from nightshelf.candidates.terms import item_terms, price_buckets
from nightshelf.dataset import Catalogue, Interactions
from tests.support.furnished import furnished, with_items

AS_OF = 100
LOOKS = {"popularity": 0.0}
EVEN = {"title": 1.0, "category": 1.0, "brand": 1.0, "price": 1.0}


def shop(rows, items):
    users, names, days = zip(*rows, strict=True)
    rows = Interactions.from_arrays(users, names, days, None, AS_OF)
    return with_items(rows, {name: _said(said) for name, said in items.items()})


def _said(said):
    return {"title": said} if isinstance(said, str) else said


def offered(model, user, k=10):
    found = model.recommend([user], k)
    return model.items[found.item_codes].tolist()


def terms_of(columns, text="words", max_terms=1000, weights=EVEN):
    ids = [f"{n}" for n in range(len(next(iter(columns.values()))))]
    catalogue = Catalogue.from_columns(ids, columns)
    weighted, binary, faces = item_terms(catalogue, weights, text, max_terms)
    return weighted.toarray()[faces], binary.toarray()[faces]


def test_what_looks_like_the_users_items_is_offered_though_nobody_took_it():
    titles = {"a": "green tea", "b": "green tea leaves", "c": "oak desk", "d": "oak chair"}
    model = Content(ContentParams(**LOOKS)).fit(shop([("u", "a", 99), ("v", "d", 99)], titles))
    assert offered(model, "u") == ["a", "b"]
    assert offered(model, "v") == ["c", "d"]


def test_cosine_by_hand():
    # Of 4 items 2 have red, 2 have mug, 2 have hat; "blue" stands alone and is left out. All three
    # weigh log 2, so red mug = (1, 1) / √2 and red hat = (1, 1) / √2 share one half.
    titles = {"a": "red mug", "b": "red hat", "c": "mug", "d": "blue hat"}
    found = Content(ContentParams(**LOOKS)).fit(shop([("u", "a", 1)], titles)).similar_items(3)
    pairs = dict(zip(zip(found.users, found.item_codes, strict=True), found.scores, strict=True))
    half, root = 0.5, 1 / np.sqrt(2)
    expected = {(0, 1): half, (1, 0): half, (0, 2): root, (2, 0): root, (1, 3): root, (3, 1): root}
    assert pairs == pytest.approx(expected)


def test_jaccard_by_hand():
    titles = {"a": "red mug tea", "b": "red mug oak", "c": "tea oak", "d": "tea oak mug red"}
    model = Content(ContentParams(similarity="jaccard", **LOOKS))
    # Terms that all items have would be left out; here each has two or three of four.
    found = model.fit(shop([("u", "a", 1)], {**titles, "e": "none"})).similar_items(9)
    pairs = dict(zip(zip(found.users, found.item_codes, strict=True), found.scores, strict=True))
    assert pairs[0, 1] == pytest.approx(2 / 4)
    assert pairs[0, 2] == pytest.approx(1 / 4)
    assert pairs[0, 3] == pytest.approx(3 / 4)
    assert pairs[2, 3] == pytest.approx(2 / 4)


def test_a_user_of_one_item_is_as_near_to_others_as_the_item():
    titles = {
        "a": "red mug tea",
        "b": "red mug oak",
        "c": "tea oak",
        "d": "tea oak mug red",
        "e": "",
    }
    for similarity in ("cosine", "jaccard"):
        model = Content(ContentParams(similarity=similarity)).fit(shop([("u", "a", 1)], titles))
        mine, its = model.recommend(["u"], 9, model_own(model, "a")), model.similar_items(9)
        first = its.users == 0
        assert mine.item_codes.tolist() == its.item_codes[first].tolist()
        assert mine.scores == pytest.approx(its.scores[first], rel=1e-6)


def model_own(model, item):
    from scipy.sparse import csr_matrix

    return csr_matrix((model.items == item)[None, :])


def test_old_purchases_weigh_less_in_the_profile():
    titles = {"a": "green tea", "b": "oak desk", "c": "tea green", "d": "desk oak"}
    rows = [("u", "a", 1), ("u", "b", 99)]
    first = [
        [
            item
            for item in offered(
                Content(ContentParams(half_life_days=days)).fit(shop(rows, titles)), "u"
            )
            if item in "cd"
        ]
        for days in (10.0, 0.0)
    ]
    assert first[0] == ["d", "c"]
    assert first[1] == ["c", "d"]


def test_what_sells_more_comes_first_among_the_alike():
    titles = {"a": "green tea", "b": "tea green", "c": "green tea", "d": "oak desk"}
    rows = [("u", "a", 99), ("v", "c", 99), ("w", "c", 99)]
    assert offered(Content().fit(shop(rows, titles)), "u") == ["c", "a", "b"]
    assert offered(Content(ContentParams(**LOOKS)).fit(shop(rows, titles)), "u") == ["a", "b", "c"]


def test_what_cannot_be_bought_is_not_offered_but_still_tells_the_users_taste():
    gone = {"title": "green tea", "is_offerable": False}
    data = shop([("u", "a", 99)], {"a": gone, "b": "green tea", "c": "oak desk", "d": gone})
    model = Content().fit(data)
    assert offered(model, "u") == ["b"]
    assert set(model.items[model.similar_items(9).item_codes]) == {"b"}


def test_similar_items_of_some_are_those_of_all():
    generator = np.random.default_rng(1)
    users, items = generator.integers(0, 50, 400), generator.integers(0, 150, 400)
    rows = Interactions.from_arrays(
        [f"{u}" for u in users], [f"{i:03d}" for i in items], np.full(400, 17_000), None, 17_500
    )
    model = Content().fit(furnished(rows))
    whole, asked = model.similar_items(7), np.arange(3, len(model.items), 5)
    some = model.similar_items(7, asked)
    mine = np.isin(whole.users, asked)
    for column in ("users", "item_codes", "scores", "ranks"):
        assert getattr(some, column).tobytes() == getattr(whole, column)[mine].tobytes()
    assert (whole.users != whole.item_codes).all()
    assert len(model.similar_items(7, [])) == 0


def test_a_face_of_many_items_still_names_k_others():
    model = Content().fit(shop([("u", "a", 1)], dict.fromkeys("abcdef", "tea") | {"x": "mug"}))
    found = model.similar_items(3)
    assert np.bincount(found.users).tolist() == [3] * 6


def test_every_level_of_a_category_is_a_term():
    _, binary = terms_of({"category": ["A > B", "A > B", "A > C", "A > C", "D", None]})
    # A, A > B and A > C; D stands alone.
    assert binary.tolist() == [[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_the_rarer_term_weighs_more():
    weighted, _ = terms_of({"title": ["oak tea", "oak tea", "oak", "none", "none"]})
    # none, oak, tea: 2, 3 and 2 of 5 have them.
    weights = np.log(5 / np.array([0, 3, 2])[1:])
    assert weighted[0] == pytest.approx([0, *(weights / np.linalg.norm(weights))])


def test_groups_weigh_as_told():
    columns = {"title": ["oak", "oak", "tea", "tea"], "brand": ["x", "y", "x", "y"]}
    weighted, _ = terms_of(columns, weights={**EVEN, "title": 3.0, "brand": 4.0})
    assert weighted[0] == pytest.approx([0.6, 0, 0.8, 0])
    weighted, _ = terms_of(columns, weights={**EVEN, "brand": 0.0})
    assert weighted[0].tolist() == [1, 0]


def test_case_and_accents_make_no_difference():
    weighted, _ = terms_of({"title": ["Crème BRÛLÉE", "creme brulee", "oak", "oak"]})
    assert weighted[0].tolist() == weighted[1].tolist()


def test_max_terms_keeps_the_frequent_ones_and_then_by_alphabet():
    titles = {"title": ["z c a", "z c a", "z", "b", "b"]}
    # Words of one letter are no terms: two each.
    titles = {"title": [" ".join(word * 2 for word in t.split()) for t in titles["title"]]}
    _, binary = terms_of(titles, max_terms=2)
    assert binary.tolist() == [[1, 1], [1, 1], [0, 1], [0, 0], [0, 0]]


def test_characters_forgive_a_misspelling():
    columns = {"title": ["lantern", "lantren", "mug", "mug"]}
    words, _ = terms_of(columns)
    characters, _ = terms_of(columns, text="characters")
    assert words[0] @ words[1] == 0
    assert characters[0] @ characters[1] > 0.9


def test_prices_fall_into_fifths_of_their_category_equal_ones_alike():
    prices = np.array([*range(20), 1000.0, np.nan, 3, 3], dtype=np.float32)
    categories = np.array([0] * 20 + [1, 0, -1, -1])
    found = price_buckets(prices, categories)
    assert found[:20].tolist() == [n // 4 for n in range(20)]
    # The others have too few to compare with: among all 23 prices, 22, none, and 3 are cheaper.
    assert found[20:].tolist() == [5 * 22 // 23, -1, 5 * 3 // 23, 5 * 3 // 23]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(max_size=9),
            st.none() | st.sampled_from(["A", "A > B", " > ", ""]),
            st.none() | st.sampled_from("xyz"),
            st.none() | st.floats(0, 1e6, width=32),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_catalogue_makes_rows_of_length_one_or_nothing(rows):
    title, category, brand, price = zip(*rows, strict=True)
    columns = {"title": title, "category": category, "brand": brand, "price": price}
    for text in ("words", "both"):
        weighted, binary = terms_of(columns, text)
        lengths = np.linalg.norm(weighted, axis=1)
        assert lengths == pytest.approx((binary.sum(axis=1) > 0).astype(float), abs=1e-5)
