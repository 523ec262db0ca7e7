import numpy as np
import pytest

from nightshelf.candidates import PopularInSegment, PopularInSegmentParams, Popularity
from nightshelf.dataset import Interactions
from tests.support import checkerboard
from tests.support.furnished import furnished, with_items

AS_OF = 100


def shop(rows, items=None):
    users, names, days = zip(*rows, strict=True)
    rows = Interactions.from_arrays(users, names, days, None, AS_OF)
    return rows if items is None else with_items(rows, items)


def offered(model, user, k=10):
    found = model.recommend([user], k)
    return model.items[found.item_codes].tolist()


def of_even_colour(ids):
    return np.array([int(name.split()[1]) % 2 == 0 for name in ids])


TEA = [("u", "tea 0", 10), ("u", "tea 1", 10), ("v", "mug 0", 10)]
LATELY = [(f"{n}", "mug 1", 95) for n in range(4)] + [(f"{n}", "tea 2", 95) for n in range(3)]
SHELVES = {
    f"{kind} {n}": {"category": f"Kitchen > {kind}"} for kind in ("mug", "tea") for n in range(3)
}


def test_what_is_popular_on_the_users_shelf_comes_first():
    model = PopularInSegment(PopularInSegmentParams(prior=1.0)).fit(shop(TEA + LATELY, SHELVES))
    assert offered(model, "u") == ["tea 2", "mug 1"]
    assert offered(model, "v") == ["mug 1", "tea 2"]


def test_scores_by_hand():
    # Nothing decays in the same day. 8 takings of log 2 each: 4 users took a mug and a tea (3 of
    # them), u took a tea more. Lift of tea for u: (1 / (4/8) + 2) / (1 + 2) in units of log 2.
    rows = [(f"{n}", "mug 1", 99) for n in range(4)] + [(f"{n}", "tea 1", 99) for n in range(3)]
    data = shop([*rows, ("u", "tea 1", 99)], SHELVES)
    weight = np.log1p(2 ** (-1 / 60))
    model = PopularInSegment(PopularInSegmentParams(prior=2.0 * weight)).fit(data)
    found = model.recommend(["u"], 2)
    assert model.items[found.item_codes].tolist() == ["tea 1", "mug 1"]
    assert found.scores == pytest.approx([4 / 8 * 4 / 3, 4 / 8 * 2 / 3])


def test_nobody_known_gets_the_popular_list():
    for data in (
        shop(TEA + LATELY, SHELVES),
        checkerboard.interactions(200),
        furnished(checkerboard.interactions(200)),
    ):
        params = PopularInSegmentParams(window_days=28)
        segment, popular = PopularInSegment(params).fit(data), Popularity().fit(data)
        can_be_bought = data.catalogue is None or data.catalogue.offerable
        expected = [i for i in offered(popular, "?", 99) if i in data.items[can_be_bought]]
        assert offered(segment, "?", 99) == expected


def test_without_categories_users_alike_share_a_list():
    data = checkerboard.interactions(200)
    params = PopularInSegmentParams(segments=2, factors=2, segment_prior=1.0)
    model = PopularInSegment(params).fit(data)
    even = of_even_colour(data.users)
    assert len({*model.segments[even]}) == len({*model.segments[~even]}) == 1
    found = model.recommend(data.users, 12)
    assert (of_even_colour(data.items)[found.item_codes] == even[found.users]).all()


def test_categories_of_a_few_items_are_no_reason_to_leave_segments():
    data = checkerboard.interactions(200)
    some = {data.items[0]: {"category": "A"}, data.items[2]: {"category": "B"}}
    params = PopularInSegmentParams(segments=2, factors=2)
    with_some = PopularInSegment(params).fit(with_items(data, some))
    assert with_some.segments.tolist() == PopularInSegment(params).fit(data).segments.tolist()
    assert len({*with_some.segments}) == 2


def test_fewer_than_a_hundred_users_are_one_segment():
    assert {*PopularInSegment().fit(checkerboard.interactions(99)).segments} == {0}
    assert len({*PopularInSegment().fit(checkerboard.interactions(100)).segments}) == 2


def test_users_who_are_all_alike_end_well():
    rows = [(f"user {n:03d}", item, 99) for n in range(400) for item in "ab"]
    assert offered(PopularInSegment().fit(shop(rows)), "user 007") == ["a", "b"]


def test_segments_are_learnt_from_a_sample_of_a_large_shop(monkeypatch):
    from nightshelf.candidates import segment

    monkeypatch.setattr(segment, "SAMPLE", 60)
    data = checkerboard.interactions(200)
    params = PopularInSegmentParams(segments=2, factors=2)
    even = of_even_colour(data.users)
    segments = PopularInSegment(params).fit(data).segments
    assert len({*segments[even]}) == len({*segments[~even]}) == 1
