"""A shop with a known answer: even users take even items, odd users odd ones.

Each user has taken every item of the own colour but one, which is held back. Whoever learns from
others must name that one first among the items new to the user. After `implicit`'s own tests.
"""

from __future__ import annotations

from nightshelf.dataset import Interactions

AS_OF = 17_500
N_USERS = N_ITEMS = 24


def user_id(number: int) -> str:
    return f"user {number:02d}"


def item_id(number: int) -> str:
    return f"item {number:02d} 🧀"


def held_back(user: int) -> int:
    """The item of the user's colour that the user has not taken."""
    return (user + 2 * (user // 2) + 4) % N_ITEMS


def rows(n_users: int = N_USERS, n_items: int = N_ITEMS) -> list[tuple[str, str, int]]:
    """(user, item, day), every pair once, over the last three weeks."""
    return [
        (user_id(user), item_id(item), AS_OF - 1 - (user + item) % 21)
        for user in range(n_users)
        for item in range(user % 2, n_items, 2)
        if item != held_back(user)
    ]


def interactions(n_users: int = N_USERS, n_items: int = N_ITEMS) -> Interactions:
    return from_rows(rows(n_users, n_items))


def from_rows(some: list[tuple[str, str, int]]) -> Interactions:
    users, items, days = zip(*some, strict=True) if some else ((), (), ())
    return Interactions.from_arrays(users, items, days, None, AS_OF)
