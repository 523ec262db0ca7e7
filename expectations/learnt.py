"""What is learnt from the shop's own days: the measures, how far each may stray, and their rules.

A band is the median of the days before, give or take six robust standard deviations (1.4826 times the
median deviation), never less than a floor and never less than what chance does to a day of that size.
The floors are as wide as ordinary life is: a sale, a holiday, a month's end.
"""

from __future__ import annotations

from dataclasses import dataclass

from expectations import Rule
from expectations.declare import literal, rows_rule

__all__ = ["HOURS", "MEASURES", "RULES", "VOLUME", "Measure", "learnt_rules"]


@dataclass(frozen=True)
class Measure:
    """One figure of a day. `down` and `up` are the least half-widths of its band; None: no bound.

    On the scale `share` they are angles, asin(sqrt(share)), on which chance moves every share alike:
    0.25 leads from 50 % to 26 %, from 20 % to 4.5 %, from 99 % to 88 %. Below the median never more
    than `down_part` of its angle: what had a share and has none is outside. On `log` they are logarithms of a
    factor, on `plain` they are the figure's own.
    """

    name: str
    rule: str
    scale: str
    down: float | None = None
    up: float | None = None
    needs_past: bool = False
    """Compares a day with those before it: it is learnt from days that have two weeks behind them."""
    down_part: float = 0.7
    """The widest `down` of a share, as a part of its usual angle: what is common has the other."""
    luck: float = 1.0
    """How far one event's figure lies from the next one's, on the scale: what chance may do."""


VOLUME = "days_have_their_usual_volume"
PRICES = "prices_keep_their_level"
FILLED = "columns_are_filled_as_usual"
HOURS = "days_have_their_usual_hours"
IDS = "ids_vary_as_usual"
MIX = "event_types_keep_their_mix"

MEASURES = (
    # A bank holiday takes a third of a day. Above the band: a sale; nothing is lost by it.
    Measure("volume", VOLUME, "log", down=0.51),
    # Lost rows thin out each visit, which no holiday does: half the rows are -0.69.
    Measure("events_per_visitor", VOLUME, "log", down=0.4),
    # Half of a column may be lost to a new page type; a column that comes new is no fault.
    Measure("filled", FILLED, "share", down=0.35),
    Measure("marked_traffic", "little_traffic_is_marked", "share", up=0.35),
    Measure("negative_prices", "prices_keep_their_sign", "share", up=0.25),
    # A sale halves prices (0.69); cents for euros are 4.6.
    Measure("price_level", PRICES, "log", down=0.92, up=0.92),
    # A free sample in every order may be new; no price at all, in one type of event, is not.
    Measure("zero_prices", "prices_are_seldom_nought", "share", up=0.6),
    Measure("strange_prices", "items_keep_their_price", "share", up=0.5),
    # ln(1 + pieces): all ones is 0.69, all noughts 0, all thousands 6.9.
    Measure("quantity_level", "quantities_keep_their_level", "log", down=0.4, up=0.7, luck=0.4),
    # Refunds after a feast are a third of a day's lines at most.
    Measure("negative_quantities", "quantities_keep_their_sign", "share", up=0.6),
    # A sale doubles the purchases among the events.
    Measure("event_type", MIX, "share", up=0.35),
    # 0.42 of an angle leads to a third of the share; chance moves a type half as much as a day, since a
    # visit holds few of the rare ones.
    Measure("event_type_kept", MIX, "share", down=0.25, down_part=0.42, luck=0.7),
    Measure("category", "categories_keep_their_mix", "share", down=0.25, up=0.4),
    Measure("known_items", "items_are_known", "share", down=0.35, needs_past=True),
    Measure("top_item", "no_item_outweighs_the_day", "share", up=0.4),
    Measure("top_visitor", "no_visitor_outweighs_the_day", "share", up=0.35),
    Measure("returning_users", "users_come_back", "share", down=0.4, needs_past=True),
    # A fourth of the usual variety, or four times it.
    Measure("sessions", IDS, "log", down=1.4, up=1.4),
    Measure("orders", IDS, "log", down=1.4, up=1.4),
    Measure("visitors", IDS, "log", down=1.4, up=1.4),
    # An order's lines are one visitor's by nature: chance has little part in it.
    Measure("shared_orders", "orders_belong_to_one_visitor", "share", up=0.35, luck=0.5),
    Measure("moments", "the_clock_runs", "log", down=1.4),
    # A whole day twice is 0.79 from nothing.
    Measure("repeated", "few_rows_are_repeated", "share", up=0.3),
    Measure("copied", "days_are_not_copies", "share", up=0.4, needs_past=True),
    # The largest distance between two cumulative shares: three hours' shift is about 0.2.
    Measure("shape", HOURS, "plain", up=0.12, luck=0.4),
    # An hour with a tenth of its share, where chance and the shop's own days allow the judgement: a
    # visit's events all lie in one hour.
    Measure("hour", HOURS, "share", down=1.0, luck=2.0),
)

CUT = "Compare the day's files with last week's; deliver the rest, ingest again. "
HOLIDAY = "If the shop was closed or quiet, name the day in the shop's doors.quiet_days. "
LAWFUL = "If the change is meant, set the shop's doors.learn_from to its day."

RULES = {
    VOLUME: (
        "A day that was cut off teaches that everybody lost interest.",
        CUT + HOLIDAY + LAWFUL,
    ),
    FILLED: (
        "A column that was filled and is blank was lost on the way: a tag, a join, a renamed field.",
        "Look at the named column of the day's files, mend the export or the map. " + LAWFUL,
    ),
    "little_traffic_is_marked": (
        "Tests and robots are left out later; a day full of them hides what shoppers did.",
        "Find who tested in production on that day, and leave those files out. " + LAWFUL,
    ),
    "prices_keep_their_sign": (
        "A sign that flipped turns revenue and price affinity over.",
        "Check the sign of the price column in the day's files. " + LAWFUL,
    ),
    PRICES: (
        "Cents for euros, or a quantity read as a price, make every price feature a lie.",
        "Check the unit and the mapping of the price column in the day's files. " + LAWFUL,
    ),
    "prices_are_seldom_nought": (
        "A price that was lost is often sent as 0; revenue and price affinity then fall to nothing.",
        "Look at the price column of the named type in the day's files. " + LAWFUL,
    ),
    "items_keep_their_price": (
        "Prices that left their items were joined to the wrong rows, and the items with them.",
        "Look for a join or a sort in the export that moved one column alone. " + LAWFUL,
    ),
    "quantities_keep_their_level": (
        "A price or an id read as a quantity makes one line outweigh the shop.",
        "Check which column of the day's files is mapped to quantity. " + LAWFUL,
    ),
    "quantities_keep_their_sign": (
        "A day of negative quantities takes back what was bought on it.",
        "Check the sign of the quantity column in the day's files. " + LAWFUL,
    ),
    MIX: (
        "A type that is gone is a tag that no longer fires; interest read from it is gone, too.",
        "Look for the named type in the day's files and on the site. " + LAWFUL,
    ),
    "categories_keep_their_mix": (
        "A department without events looks like one that nobody wants.",
        "Look for the named category in the day's files, then in the catalogue. " + LAWFUL,
    ),
    "items_are_known": (
        "Items that neither the catalogue nor the weeks before know have other ids than they had.",
        "Compare the item ids of the day's files with the catalogue's; deliver the catalogue. "
        + LAWFUL,
    ),
    "no_item_outweighs_the_day": (
        "One item in every second event is a default that was filled in, not demand.",
        "Look at the item column of the day's files. " + LAWFUL,
    ),
    "no_visitor_outweighs_the_day": (
        "One visitor with a good part of a day's events is a robot, a test or a default id.",
        "Find the visitor in the day's files; name it in the shop's cleaning.internal_ids. "
        + LAWFUL,
    ),
    "users_come_back": (
        "When nobody is known from the weeks before, user ids were made anew: histories end there.",
        "Compare the user ids of the day's files with last week's: a new hash, salt or prefix? "
        + LAWFUL,
    ),
    IDS: (
        "An id that is the same everywhere, or new on every row, makes one session of a shop.",
        "Look at the named id in the day's files and at its mapping. " + LAWFUL,
    ),
    "orders_belong_to_one_visitor": (
        "An order id that many visitors share makes one giant basket: everything is bought together.",
        "Look for a default or cut value in the order ids of the day's files. " + LAWFUL,
    ),
    "the_clock_runs": (
        "Events that all happened at one moment have no order and no session.",
        "Look at the time column of the day's files: a default, or the export's own time? "
        + LAWFUL,
    ),
    "few_rows_are_repeated": (
        "A day that was delivered twice counts double everywhere, if its ids are new.",
        "Look for twins of the day's files, and take one of each away from the landing folder. If its ids are"
        " new, replace it by a file of its name with the header alone. " + LAWFUL,
    ),
    "days_are_not_copies": (
        "A day that repeats another to the second is the other's file under a new date.",
        "Compare the day's files with the days before; deliver the right ones. " + LAWFUL,
    ),
    HOURS: (
        "A day that moved or lacks an hour has a wrong time zone, or lost a file.",
        "Compare the day's hours with the zone in the shop file and with the export's. "
        + HOLIDAY
        + LAWFUL,
    ),
}
"""Rule → why we refuse, and what to do."""

SHOWN = "day, measure, key, observed, low, high, usual, learnt_from, verdict"


def learnt_rules() -> list[Rule]:
    """One rule for each name in RULES; all read raw.day_bands, which is a few hundred rows."""
    return [_rule(name, reason, step) for name, (reason, step) in RULES.items()]


def _rule(name: str, reason: str, next_step: str) -> Rule:
    of_rule = f"SELECT {SHOWN} FROM {{batch}} WHERE rule = {literal(name)}"
    return rows_rule(
        name,
        "raw.events",
        f"{of_rule} AND verdict IN ('below', 'above') ORDER BY day DESC, measure, key",
        over="SELECT * FROM raw.day_bands",
        listed=f"{of_rule} ORDER BY day DESC, measure, key",
        reason=reason,
        next_step=next_step,
    )
