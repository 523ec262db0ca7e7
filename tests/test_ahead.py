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
def test_one_piece_more_is_read_than_cores_work_on(monkeypatch, cores):
    monkeypatch.setattr(ahead, "cores", lambda: cores)
    read = []

    def pieces():
        for piece in range(10):
            read.append(piece)
            yield piece

    for made in in_order(lambda piece: piece, pieces()):
        assert len(read) <= made + cores + 1
    assert len(read) == 10


def test_one_at_a_time_is_worked_on_while_the_next_is_read():
    at_work, second_is_read = [], threading.Event()

    def pieces():
        yield 1
        second_is_read.set()
        yield 2

    def work(piece: int) -> bool:
        at_work.append(piece)
        assert len(at_work) == 1
        was_read = second_is_read.wait(10)
        at_work.remove(piece)
        return was_read

    assert all(in_order(work, pieces(), at_once=1))


def test_what_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda piece: 1 // piece, [1, 0, 1]))
