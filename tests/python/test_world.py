"""The built tiny world, replayed day by day from its own tables by the naive simulator."""

from collections import ChainMap, defaultdict
from types import SimpleNamespace

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
    assert got == dict(ChainMap(*[outcomes for outcomes, _, _, _ in replayed.values()]))


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
