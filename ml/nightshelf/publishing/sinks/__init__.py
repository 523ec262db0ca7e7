"""Sinks: the night that readers see, once more in the shop's own database. See docs/sinks.md.

A sink follows `nights/current`. It shows one whole night with a row that says which, moves only forward
unless the night it shows was taken back, and a delivery that has arrived is not made again.
"""

from nightshelf.publishing.sinks.deliver import deliver, refuse_without_url

__all__ = ["deliver", "refuse_without_url"]
