"""The built tiny world, replayed day by day from its own tables by the naive simulator."""

from collections import ChainMap, defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
import yaml
from naive_simulator import replay, to_key
from support import ROOT


@pytest.fixture(scope="module")
def rules():
    variables = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    variables |= yaml.safe_load((ROOT / "presets" / "tiny.yml").read_text())
    return SimpleNamespace(**variables)


@pytest.fixture(scope="module")
def replayed(tiny_world, rules):
    """Per location: outcomes, carts, snapshots and events of the naive simulator."""
    inputs = {}
    for name in (
        "int_supply_calendar",
        "int_replenishment_plan",
        "int_stock_adjustments",
        "int_cart_lines",
    ):
        inputs[name] = defaultdict(list)
        for row in tiny_world.table(name).to_pylist():
            if name == "int_cart_lines":
                row["price_cents"] = round(row["unit_price"] * 100)
                row["discount_cents"] = round(row["discount_amount"] * 100)
                if row["substitute_product_key"]:
                    price, discount = (
                        row[f"substitute_{name}"] for name in ("unit_price", "discount_amount")
                    )
                    row["substitute_price_cents"] = round(price * 100)
                    row["substitute_discount_cents"] = round(discount * 100)
            inputs[name][row["location_key"]].append(row)
    for rows in inputs["int_stock_adjustments"].values():
        rows.sort(key=lambda row: row["is_damage"])  # shrinkage comes first
    return {
        location: replay(*[rows[location] for rows in inputs.values()], rules)
        for location in inputs["int_supply_calendar"]
    }


def played(tiny_world, table, key):
    """Rows of what the model played, by a key and the attempt, without the location."""
    rows = {}
    for row in tiny_world.table(table).to_pylist():
        del row["location_key"]
        rows[row.pop(key), row.pop("attempt")] = row
    return rows


def test_every_line_is_served_as_the_naive_simulator_serves_it(tiny_world, replayed):
    got = played(tiny_world, "int_line_outcomes", "cart_line_id")
    assert len(got) > 3000
    expected = {}
    for (line, attempt), outcome in ChainMap(*[o for o, _, _, _ in replayed.values()]).items():
        if attempt <= 2:
            expected[line, attempt] = outcome
        elif units := outcome["quantity_allocated"]:
            # Who makes do with something else, or comes again, asks for what is there.
            expected[line, attempt] = outcome | {"quantity_requested": units}
    assert got == expected


def test_every_cart_ends_as_with_the_naive_simulator(tiny_world, replayed):
    got = played(tiny_world, "int_cart_outcomes", "cart_number")
    assert got == dict(ChainMap(*[carts for _, carts, _, _ in replayed.values()]))


def test_every_closing_stock_is_the_naive_simulators(tiny_world, replayed):
    names = (
        "quantity_available",
        "quantity_reserved",
        "quantity_damaged",
        "quantity_in_transit",
        "stockout_duration_days",
    )
    got = {}
    for row in tiny_world.table("gold_inventory_fact").to_pylist():
        received = row["last_replenishment_date"]
        got[row["location_key"], row["product_key"], row["date_key"]] = (
            *(row[name] for name in names),
            received and to_key(received),
        )
    expected = {}
    for location, (_, _, snapshots, _) in replayed.items():
        for (product, date_key), snapshot in snapshots.items():
            snapshot = snapshot | {
                "stockout_duration_days": snapshot["stockout_duration_days"] or None
            }
            expected[location, product, date_key] = (
                *(snapshot[name] for name in names),
                snapshot["last_receipt_date_key"],
            )
    assert got == expected


def test_every_stock_event_is_the_naive_simulators(tiny_world, replayed):
    names = ("product_key", "date_key", "event_type", "quantity", "reference_date_key")
    table = tiny_world.table("int_stock_events").to_pylist()
    got = sorted((row["location_key"], *(row[name] for name in names)) for row in table)
    expected = sorted(
        (location, *event) for location, (_, _, _, events) in replayed.items() for event in events
    )
    assert got == expected


def test_a_shelf_empties_in_order_of_the_time_of_day(tiny_world):
    """What a line finds is what those of earlier quarter hours of its day have left.

    Substitutes are what all of them have left.
    """
    position = ["product_key", "location_key", "date_key"]
    sales = tiny_world.table("gold_sales_fact").to_pandas()
    sales = sales[~sales["is_return"]]
    sales["is_substitute"] = sales["line_role"] == "substitute"
    # Within a quarter hour a fuller shelf is the earlier one.
    sales = sales.sort_values(
        [*position, "is_substitute", "time_key", "inventory_at_purchase"],
        ascending=[True] * 5 + [False],
    )
    before = sales.groupby(position)[["inventory_at_purchase", "quantity_sold"]].shift()
    follows = before["quantity_sold"].notna()
    assert follows.sum() > 500
    left = (before["inventory_at_purchase"] - before["quantity_sold"])[follows]
    assert (sales["inventory_at_purchase"][follows] == left).all()
    # Nobody buys what somebody did not get before.
    lost = tiny_world.table("gold_lost_sales_fact").to_pandas()
    first_lost = lost.groupby(position)["time_key"].min().rename("first_lost").reset_index()
    later = sales.merge(first_lost, on=position)
    assert len(later) > 10
    assert (later["time_key"] <= later["first_lost"]).all()


def test_segments_come_at_the_same_hours(tiny_world):
    """So that none has priority: lines are served in order of the time of day.

    Of the carts of a location and day each segment has its share in every hour, within five
    standard errors of a draw without replacement where it is not rare.
    """
    carts = tiny_world.table("gold_cart_fact").to_pandas()
    carts = carts[carts["recovered_from_cart_id"].isna()]
    carts = carts.assign(hour=carts["time_key"] // 100)
    expected, variance = 0, 0
    for _, block in carts.groupby(["location_key", "date_key"]):
        n, table = len(block), pd.crosstab(block["segment"], block["hour"])
        table = table.reindex(index=sorted(set(carts["segment"])), columns=range(24), fill_value=0)
        of_segment, of_hour = table.sum(axis=1).to_numpy()[:, None], table.sum().to_numpy()
        share = of_segment * of_hour / n
        expected = expected + share
        variance = variance + share * (n - of_segment) * (n - of_hour) / n / max(n - 1, 1)
    came = pd.crosstab(carts["segment"], carts["hour"]).reindex(columns=range(24), fill_value=0)
    is_judged = expected > 8
    assert is_judged.sum() > 20
    # Most carts are of nobody known, and few customers of a tiny world are of a higher segment.
    assert is_judged.any(axis=1).sum() >= 2
    deviation = abs(came.to_numpy() - expected)[is_judged]
    assert (deviation < 5 * np.sqrt(variance[is_judged])).all()


def test_units_sold_are_units_allocated(tiny_world):
    sales = tiny_world.table("gold_sales_fact")
    sold = pc.sum(sales.filter(pc.invert(sales["is_return"]))["quantity_sold"]).as_py()
    allocated = pc.sum(tiny_world.table("int_line_outcomes")["quantity_allocated"]).as_py()
    assert sold == allocated > 0


def test_tiny_world_has_every_situation(tiny_world):
    """What the other tests compare must occur: short lines, recoveries, returns, failed orders."""
    outcomes = tiny_world.table("int_line_outcomes").to_pandas()
    events = tiny_world.table("int_stock_events").to_pandas()
    sales = tiny_world.table("gold_sales_fact").to_pandas()
    assert (outcomes["attempt"] == 2).any()
    assert (outcomes["is_abandoned"] & outcomes["low_inventory_trigger"]).any()
    assert outcomes["capacity_exceeded_trigger"].any()
    assert sales["is_inventory_constrained"].any()
    assert sales["is_return"].any()
    kinds = {"order", "failed_order", "receipt", "shrinkage", "damage", "write_off"}
    assert set(events["event_type"]) == kinds
