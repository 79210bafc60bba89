"""What an analyst finds of places and the calendar in the tables of the tiny preset."""

import numpy as np
import pandas as pd
import pytest
from support import ROOT


@pytest.fixture(scope="module")
def seed():
    """Return a function that reads a seed."""
    return lambda name: pd.read_csv(next((ROOT / "seeds").glob(f"*/{name}.csv")))


@pytest.fixture(scope="module")
def tables(tiny_world):
    """Return a function that reads a table of the tiny preset as a pandas frame."""
    return lambda name, columns: tiny_world.table(name).select(columns).to_pandas()


def days(date_keys):
    """Dates of YYYYMMDD integers."""
    return pd.to_datetime(date_keys.astype(str))


def test_nothing_moves_across_the_counter_on_thanksgiving_and_christmas(tables):
    """Neither sales, nor what was lost, nor returns; the days around them have all of it."""
    places = tables("gold_location_dim", ["location_key", "location_type"])
    is_store = places.set_index("location_key")["location_type"] == "store"
    closed = [20251127, 20251225]
    columns = ["location_key", "date_key"]
    for name in ("gold_sales_fact", "gold_lost_sales_fact", "gold_inventory_movement_fact"):
        of_stores = tables(name, columns)
        of_stores = of_stores[of_stores["location_key"].map(is_store)]
        if name == "gold_inventory_movement_fact":
            kinds = tables(name, ["movement_type"])["movement_type"]
            of_stores = of_stores[kinds.isin(["sale", "return"])[of_stores.index]]
        assert not of_stores["date_key"].isin(closed).any(), name
        assert {20251126, 20251226} <= set(of_stores["date_key"])


def test_share_of_gifts_is_found_in_the_days_on_which_things_come_back(tables, seed):
    """Of what was bought 11 to 40 days before Christmas and comes back, by channel group.

    Returns of the 21 days after it are gifts, and others whose ordinary lag ends there: the share
    of gifts is what is left of them. The estimate is within three standard errors, far from none.
    """
    lines = tables("int_cart_lines", ["date_key", "is_digital", "return_lag_days"]).dropna()
    before = (pd.Timestamp("2025-12-25") - days(lines["date_key"])).dt.days
    lines = lines.assign(before=before).query("11 <= before <= 40")
    for name, own in lines.groupby(np.where(lines["is_digital"], "digital", "store")):
        lags = seed("return_lags").query("channel_group == @name").set_index("lag_days")["weight"]
        usual = {n: lags.loc[n + 1 : n + 21].sum() / lags.sum() for n in range(11, 41)}
        chance = own["before"].map(usual)
        is_after = (own["return_lag_days"] - own["before"]).between(1, 21)
        found = (is_after - chance) / (1 - chance)
        seasons = seed("gift_seasons").query("channel_group == @name")
        shares = {
            n: season.gift_share
            for season in seasons.itertuples()
            for n in range(season.days_before_from, season.days_before_to + 1)
        }
        error = found.std() / len(found) ** 0.5
        assert found.mean() == pytest.approx(own["before"].map(shares).mean(), abs=3 * error), name
        assert found.mean() > 5 * error, name


def warmth(tables, seed):
    """(location_key, month) -> degrees above the average US city, of stores."""
    normals = seed("climate_normals").merge(seed("cities")[["city", "state_code", "weight"]])
    weighted = (normals["mean_temperature_f"] * normals["weight"]).groupby(normals["month"]).sum()
    average = weighted / normals.groupby("month")["weight"].sum()
    normals["warmth"] = normals["mean_temperature_f"] - normals["month"].map(average)
    places = tables(
        "gold_location_dim", ["location_key", "city", "state_province", "store_format"]
    ).dropna()
    places = places.rename(columns={"state_province": "state_code"})
    return places.merge(normals).set_index(["location_key", "month"])["warmth"]


def test_response_to_the_climate_is_found_in_the_months_of_the_plan(tables, seed):
    """Against the same product in the warehouses the plan of a store follows the temperature.

    Differences between stores that last all year, such as local taste, cancel from month to month.
    """
    plan = tables("int_demand_plan", ["product_key", "location_key", "month_key", "demand_weight"])
    stores = warmth(tables, seed)
    is_store = plan["location_key"].isin(stores.index.get_level_values(0))
    keys = ["product_key", "month_key"]
    elsewhere = plan[~is_store].groupby(keys)["demand_weight"].mean()
    plan = plan[is_store].join(elsewhere.rename("elsewhere"), on=keys).query("elsewhere > 0")
    products = tables("gold_product_dim", ["product_key", "category_level_3"])
    plan = plan.merge(products).merge(seed("temperature_response"))
    at = pd.MultiIndex.from_arrays([plan["location_key"], plan["month_key"] % 100])
    plan["expected"] = plan["log_demand_per_degree_f"] * stores.reindex(at).to_numpy()
    plan["found"] = np.log(plan["demand_weight"] / plan["elsewhere"])
    # What a category has in all cities together is taken out, by month.
    of = plan[plan["log_demand_per_degree_f"] != 0]
    within = of[["found", "expected"]] - of.groupby(["product_key", "location_key"])[
        ["found", "expected"]
    ].transform("mean")
    within -= within.groupby([of["category_level_3"], of["month_key"]]).transform("mean")
    slope = (within["found"] * within["expected"]).sum() / (within["expected"] ** 2).sum()
    assert within["expected"].std() > 0.03
    assert slope == pytest.approx(1, abs=0.02)
