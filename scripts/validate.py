"""Print gold_validation_results as a table; exit status 1 when one fails or there are none.

The local target is read straight from its Delta table, which takes no time, any other one through
dbt. Folder and schema are those of profiles.yml: STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose
others.
"""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from local_tables import local_schema, read_delta

TABLE = "gold_validation_results"
HEADER = ("id", "validation", "measured", "expected", "passed", "detail")
NAME_WIDTH = 40
DETAIL_MINIMUM = 30


def read_through_dbt(target: str) -> list[dict[str, Any]] | None:
    """Return the rows of the table in any target, or None when it has none."""
    from warehouse_query import WarehouseError, open_warehouse

    try:
        with open_warehouse(target) as warehouse:
            if warehouse.missing([TABLE]):
                return None
            return warehouse.query(f"select * from {warehouse.table(TABLE)}")
    except WarehouseError as error:
        sys.exit(f"validate: {error}")


def figure_text(value: float | None, decimals: int = 6) -> str:
    """Return a figure as short text: whole numbers whole, no zeros at the end, none for None."""
    if value is None:
        return ""
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def range_text(
    low: float | None, high: float | None, shown: Callable[[float | None], str] = figure_text
) -> str:
    """Return a range, open at one end or both, as text; `shown` makes text of its ends."""
    if low is None and high is None:
        return "any"
    if low is None:
        return f"at most {shown(high)}"
    if high is None:
        return f"at least {shown(low)}"
    return shown(low) if low == high else f"{shown(low)} to {shown(high)}"


def table(results: list[dict[str, Any]], width: int) -> str:
    """Return the results as a table at most `width` characters wide, long texts wrapped."""
    cells = [
        (
            row["validation_id"],
            row["validation_name"],
            figure_text(row["measured_value"]) or "-",
            range_text(row["expected_min"], row["expected_max"]),
            "yes" if row["is_passed"] else "NO",
            row["detail"] or "",
        )
        for row in sorted(results, key=lambda row: row["validation_id"])
    ]
    widths = [max(map(len, column)) for column in zip(HEADER, *cells, strict=True)]
    widths[1] = min(widths[1], NAME_WIDTH)
    widths[5] = max(DETAIL_MINIMUM, width - sum(widths[:5]) - 2 * 5)
    lines = []
    for row in [HEADER, tuple("-" * width for width in widths), *cells]:
        wrapped = [
            textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)
        ]
        for at in range(max(map(len, wrapped))):
            parts = [part[at] if at < len(part) else "" for part in wrapped]
            padded = [part.ljust(width) for part, width in zip(parts, widths, strict=True)]
            lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def main() -> None:
    """Read, print, and exit with 1 unless every validation passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="local", help="target of profiles.yml")
    target = parser.parse_args().target
    is_local = target == "local"
    results = read_delta(local_schema() / TABLE) if is_local else read_through_dbt(target)
    if not results:
        sys.exit(f"validate: no {TABLE} in target {target}: run make build first")
    print(table(results, shutil.get_terminal_size((160, 24)).columns))
    failed = [row["validation_id"] for row in results if not row["is_passed"]]
    print(f"\n{len(results) - len(failed)} of {len(results)} validations passed")
    if failed:
        sys.exit(f"validate: failed: {', '.join(sorted(failed))}")


if __name__ == "__main__":
    main()
