import threading

import pytest

from nightshelf import ahead
from nightshelf.ahead import in_order


def test_what_is_made_comes_in_the_order_of_the_pieces():
    later = threading.Event()

    def work(piece: int) -> int:
        if piece:
            later.set()
        else:
            later.wait(10)  # the first is made last
        return piece * 10

    assert list(in_order(work, range(5))) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("cores", [1, 3])
def test_no_more_pieces_are_read_than_cores_work_on(monkeypatch, cores):
    monkeypatch.setattr(ahead, "cores", lambda: cores)
    read = []

    def pieces():
        for piece in range(10):
            read.append(piece)
            yield piece

    for made in in_order(lambda piece: piece, pieces()):
        assert len(read) <= made + cores
    assert len(read) == 10


def test_what_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda piece: 1 // piece, [1, 0, 1]))
