"""How well a tree model tells which positions run out within a week: see learnability.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from learnability_forecast import HISTORY_WEEKS, TEST_WEEKS, History, Table, positions
from learnability_metrics import auc
from learnability_panel import Panel, hashed, rows_of_days

Array = Any
# Positions and weeks to learn from, and as many to test on: more are sampled by a hash.
ROWS = 150_000
# Computed by the planner, from what it believes of demand.
PLANNER_COLUMNS = (
    *("days_of_supply", "stock_cover_days", "reorder_point", "reorder_quantity", "is_overstock"),
)


def runs_out(panel: Panel, week: int) -> Array:
    """Return whether nothing is left at the end of some day of a week, (products, locations)."""
    return (panel.available[:, :, week : week + 7] == 0).any(2)


def _rows(
    table: Table, planner: dict[int, dict[str, Array]], weeks: list[int], share: float
) -> tuple[Array, Array]:
    """Return features, those of the planner last, and what happened, of sampled positions."""
    panel = table.history.panel
    draw = hashed(panel.products["product_key"][:, None], panel.locations["location_key"][None, :])
    features, outcomes = [], []
    for week in weeks:
        chosen = positions(panel, week) & (panel.available[:, :, week - 1] > 0) & (draw < share)
        rows = table.rows(week, week, chosen)
        expected, available, inbound = (
            rows[:, table.names.index(name)] for name in ("expected", "available", "inbound")
        )
        cover = [available / expected, (available + inbound) / expected]
        planned = [planner[week][name][chosen] for name in PLANNER_COLUMNS]
        features.append(np.column_stack([rows, *cover, *planned]))
        outcomes.append(runs_out(panel, week)[chosen])
    return np.concatenate(features), np.concatenate(outcomes)


def stockout_auc(panel: Panel, schema: Path, tell: Callable[[str], None]) -> dict[str, float]:
    """Return the AUC of running out within seven days, of positions that have something to sell.

    `cover` is the stock over past sales, without a model; `fair` a tree model on what an analyst
    has; `all` the same with the columns of the planner. Learned from weeks before the last four.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    tell("stockouts: reading")
    table = Table(History(panel))
    weeks = [int(week) for week in panel.weeks()]
    learned, test = weeks[HISTORY_WEEKS:-TEST_WEEKS], weeks[-TEST_WEEKS:]
    planner = rows_of_days(
        panel, schema, "gold_inventory_fact", PLANNER_COLUMNS, [week - 1 for week in learned + test]
    )
    planner = {day + 1: columns for day, columns in planner.items()}
    cells = panel.units[:, :, 0].size
    rows, outcomes = _rows(table, planner, learned, ROWS / len(learned) / cells)
    tested, happened = _rows(table, planner, test, ROWS / TEST_WEEKS / cells)
    fair = rows.shape[1] - len(PLANNER_COLUMNS)
    found = {"cover": auc(happened, -tested[:, fair - 2]), "share": float(happened.mean())}
    for name, columns in {"fair": fair, "all": rows.shape[1]}.items():
        tell(f"stockouts: tree, {name} columns")
        model = HistGradientBoostingClassifier(
            max_iter=100, min_samples_leaf=100, early_stopping=False, random_state=0
        )
        model.fit(rows[:, :columns], outcomes)
        found[name] = auc(happened, model.predict_proba(tested[:, :columns])[:, 1])
    return found
