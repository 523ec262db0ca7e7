"""The search for better settings of the models, and what nights make of its finds.

run.py (`nightshelf tune`) reads space.py's ranges, measures on folds.py's windows with search.py,
tells record.py, and leaves a challenger in store.py. A night tries it (tried.py, inside `train`) and
judges it (verdict.py, inside `evaluate`) on a window that the search never saw.
"""
