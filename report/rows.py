"""Rows of the queries, and what is computed of them in more than one place."""

from typing import Any

# By the name of the column.
Row = dict[str, Any]
# The rows of each query, by its name without the prefix report_.
Answers = dict[str, list[Row]]


def total(rows: list[Row], column: str) -> float:
    """Return the sum of a column."""
    return sum(row[column] for row in rows)


def share(part: float, whole: float) -> float | None:
    """Return part / whole, or None of nothing."""
    return part / whole if whole else None


def returned_share(channels: list[Row]) -> float | None:
    """Return the share of the lines sold through some channels that came back."""
    return share(total(channels, "return_lines"), total(channels, "sale_lines"))


def words(name: str) -> str:
    """Return a name with underscores as words."""
    return name.replace("_", " ")
