"""The morning page: one HTML file a night, for whoever asks at eight what happened at three."""

from nightshelf.morning.page import place_of, write_page
from nightshelf.morning.places import keep_in_mlflow, seen_by_readers

__all__ = ["keep_in_mlflow", "place_of", "seen_by_readers", "write_page"]
