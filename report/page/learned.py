"""What `make learnability` has found of the world that the page shows."""

import json
from pathlib import Path
from typing import Any

from report.rows import Row


def found_of(file: Path, closings: list[Row]) -> dict[str, Any]:
    """Return what the file tells, or nothing if it is of another world or of fewer days."""
    if not file.exists() or not closings:
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    last = closings[-1]
    world = {
        "last_closed_date": str(last["last_closed_date"]),
        "etl_timestamp": str(last["etl_timestamp"].replace(tzinfo=None)),
    }
    return found if found.get("world") == world else {}


def learned_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows of the table: what is measured, the figure, what to hold beside it."""
    rows = []

    def add(name: str, figure: float, beside: str) -> None:
        rows.append({"name": name, "figure": f"{figure:.3f}", "beside": beside})

    for name, errors in found.get("forecast", {}).get("one_week_ahead", {}).items():
        add(
            f"Weekly WAPE, {name.replace('_', ' ')}",
            errors["wape"],
            f"{errors['product']:.3f} by product everywhere",
        )
    if stockouts := found.get("stockouts"):
        add("AUC of a stockout within a week, tree", stockouts["fair"], "what an analyst has")
        add("AUC of a stockout within a week, tree", stockouts["all"], "planning columns as well")
    for name, elasticity in found.get("elasticity", {}).items():
        add("Price elasticity", elasticity, name)
    if customers := found.get("customers"):
        add("Customers who buy again", customers["repeat_share"], "0.25 to 0.40 in a quarter")
        for name, published in {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426"}.items():
            add(f"BG/NBD, {name}", customers[name], f"CDNOW: {published}")
    if found.get("baskets", {}).get("pairs"):
        for name in ("lowest", "highest"):
            add(f"Lift of two categories, {name}", found["baskets"][name], "0.3 to 3")
    if "censoring" in found:
        add("Sales understate demand by", found["censoring"]["all"], "FreshRetailNet-50K: 0.074")
    return rows
