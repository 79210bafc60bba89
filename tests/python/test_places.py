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

    def read(name, columns):
        table = tiny_world.table(name)
        return (table.select(columns) if columns else table).to_pandas()

    return read


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
        # Lost sales of three stores are too few for every day to have one.
        is_rare = name == "gold_lost_sales_fact"
        assert is_rare or {20251126, 20251226} <= set(of_stores["date_key"]), name


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
        assert found.mean() > 4 * error, name


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


def level_plan(tables):
    """Rows of int_demand_plan with any demand, without what the level of the month makes of it."""
    plan = tables("int_demand_plan", ["product_key", "location_key", "month_key", "demand_weight"])
    places = tables("gold_location_dim", ["location_key", "region"])
    levels = tables("int_demand_levels", ["region", "colorway_key", "month_key", "month_level"])
    colorways = tables("gold_product_dim", ["product_key", "colorway_key"])
    plan = plan.merge(places).merge(colorways).merge(levels)
    plan["demand_weight"] /= plan["month_level"]
    return plan.drop(columns=["region", "month_level"]).query("demand_weight > 0")


def test_response_to_the_climate_is_found_in_the_months_of_the_plan(tables, seed):
    """Against the same product in the warehouses the plan of a store follows the temperature.

    Differences between stores that last all year, such as local taste, cancel from month to month.
    """
    plan = level_plan(tables)
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
    # Products are few, and some change their stage of life, which differs by format.
    assert slope == pytest.approx(1, abs=0.1)


def placed(tables, seed):
    """Plan of November in stores with the products and factors that make it, by product and store.

    found: logarithm of the weight of a product against its mean weight in the warehouses.
    """
    month = 202511
    plan = level_plan(tables)
    plan = plan.query("month_key == @month")
    tastes = tables("int_place_tastes", None)
    plan = plan.merge(tastes)
    plan["found"] = np.log(plan["demand_weight"] / plan["local_factor"])
    places = tables("gold_location_dim", ["location_key", "store_format"])
    is_store = plan["location_key"].isin(places.dropna()["location_key"])
    elsewhere = plan[~is_store].groupby("product_key")["found"].mean()
    plan = plan[is_store].merge(places)
    plan["found"] -= plan["product_key"].map(elsewhere)
    columns = ["product_key", "category_level_1", "category_level_3", "price_tier", "launch_date"]
    plan = plan.merge(tables("gold_product_dim", columns))
    climate = tables("int_climate_demand", None).query("month == @month % 100")
    plan = plan.merge(climate.drop(columns="month"), "left").fillna({"climate_factor": 1.0})
    age = (pd.Timestamp(f"{month}01") - pd.to_datetime(plan["launch_date"])).dt.days
    stages = seed("life_cycle_demand").assign(standard_factor=1.0)
    stage = np.searchsorted(stages["days_since_launch_from"], age, side="right") - 1
    for store_format, rows in plan.groupby("store_format"):
        ages = stages[f"{store_format}_factor"].to_numpy()[stage[rows.index]]
        plan.loc[rows.index, "age_factor"] = ages
    return plan


def test_a_format_plans_what_the_seed_says(tables, seed):
    """Apart from where it is, a store plans for the category, tier and age of a product."""
    plan = placed(tables, seed).merge(seed("format_demand"), "left")
    expected = plan["demand_factor"].fillna(1) * plan["age_factor"]
    found = np.exp(plan["found"]) / plan["climate_factor"] / plan["region_factor"]
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=0.001)
    assert expected.groupby(plan["store_format"]).nunique().to_dict()["flagship"] > 5
    assert plan.query("store_format == 'standard'")["format_factor"].eq(1).all()


def test_places_want_what_their_factors_say(tables, seed):
    """Slope of logarithms of units wanted on those of all planted factors, within three errors.

    Products differ in popularity and stores in size, which is taken out of both.
    """
    plan = placed(tables, seed)
    lines = tables("int_cart_lines", ["product_key", "location_key", "quantity_requested"])
    units = lines.groupby(["product_key", "location_key"])["quantity_requested"].sum()
    plan = plan.join(units, on=units.index.names).fillna({"quantity_requested": 0})
    fewest = plan.groupby("product_key")["quantity_requested"].agg(["min", "size"])
    often = fewest.query("min >= 10 and size == @plan.location_key.nunique()").index
    plan = plan[plan["product_key"].isin(often)]
    plan = plan.assign(
        wanted=np.log(plan["quantity_requested"]),
        planted=plan["found"] + np.log(plan["local_factor"]),
    )
    found, expected = (
        (frame - frame.mean()).sub(frame.mean(axis=1), axis=0) + frame.to_numpy().mean()
        for name in ("wanted", "planted")
        for frame in [plan.pivot(index="product_key", columns="location_key", values=name)]
    )
    found, expected = found.to_numpy().ravel(), expected.to_numpy().ravel()
    slope = found @ expected / (expected @ expected)
    error = (((found - slope * expected) ** 2).mean() * 1.5 / (expected @ expected)) ** 0.5
    assert slope == pytest.approx(1, abs=3 * error)
    assert error < 0.25


def test_tastes_of_regions_have_their_spread(tables, seed):
    """The stores of a region share them; brands and categories add up to the planted deviation."""
    shape = seed("place_shape").set_index("parameter")["parameter_value"]
    tastes = tables("int_place_tastes", None)
    places = tables("gold_location_dim", ["location_key", "region", "store_format"])
    tastes = tastes.merge(places)
    assert tastes.loc[tastes["store_format"].isna(), "region_factor"].eq(1).all()
    stores = tastes.dropna(subset=["store_format"])
    assert stores.groupby(["colorway_key", "region"])["region_factor"].nunique().eq(1).all()
    drawn = np.log(stores.drop_duplicates(["colorway_key", "region"])["region_factor"])
    spread = (shape["category_taste_spread"] ** 2 + shape["brand_taste_spread"] ** 2) ** 0.5
    assert drawn.std() == pytest.approx(spread, rel=0.25)


def test_sales_by_square_foot_are_those_of_a_productive_store(tables):
    """Demand of stores by square foot, against each other, is the planted factor within 20%."""
    places = tables("gold_location_dim", ["location_key", "selling_sqft"])
    places = places.merge(
        tables("int_location_demand", ["location_key", "productivity_factor", "store_format"])
    ).dropna()
    lines = tables("int_cart_lines", ["location_key", "quantity_requested"])
    units = lines.groupby("location_key")["quantity_requested"].sum()
    found = places["location_key"].map(units) / places["selling_sqft"]
    planted = places["productivity_factor"].to_numpy()
    assert (found / found.mean()).to_numpy() == pytest.approx(planted / planted.mean(), rel=0.2)
    assert planted.std() > 0.05
