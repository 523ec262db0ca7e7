"""What tables in the terminal share."""

from __future__ import annotations

from rich.table import Table


def named_figures(title: str, *columns: str) -> Table:
    """The first column is a name; the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right", overflow="fold")
    return table
