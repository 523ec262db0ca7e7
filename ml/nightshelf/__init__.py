"""Nightshelf restocks a shop's recommendation shelves overnight."""

__version__ = "0.1.0"
