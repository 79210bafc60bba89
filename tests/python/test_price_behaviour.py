"""What the price does to demand, found by plain estimators and compared with the answer key.

The world is one of much demand: what customers want of a product is told from chance. The truth is
in int_price_elasticity and in seeds; docs/answer_key.md describes the estimators.
"""

import numpy as np
import pandas as pd
import pytest
from support import build_tiny

BUSY = {
    "random_seed": 43,
    "start_date": "2025-09-15",
    "date_range_days": 110,
    "num_products": 2000,
    "num_locations": 5,
    "num_customers": 1000,
    "demand_intensity": 0.6,
    "digital_share": 0.4,
}
FEWEST_PLAIN_DAYS = 20
DAY = ["date_key", "price_zone", "season_profile"]


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """Return a world with what its customers want, and no stock."""
    world, _ = build_tiny(tmp_path_factory.mktemp("busy"), "--select", "+int_cart_lines", **BUSY)
    return world


@pytest.fixture(scope="module")
def days(busy):
    """Return a row per product, price zone and day on sale: units wanted, and the price.

    `usual` are the units without promotion, dip or markdown, `discount` is a share of the list
    price, and on days `is_promoted` it is that of a promotion.
    """
    products = busy.table("gold_product_dim").to_pandas().set_index("product_key")
    lines = busy.table("int_cart_lines").to_pandas()
    zones = busy.table("int_location_demand").to_pandas().set_index("location_key")["price_zone"]
    lines["price_zone"] = lines["location_key"].map(zones)
    columns = ["product_key", "date_key", "price_zone"]
    units = lines.groupby(columns)["quantity_requested"].sum()
    dates = sorted(lines["date_key"].unique())
    every = pd.MultiIndex.from_product([products.index, dates, zones.unique()], names=columns)
    days = units.reindex(every, fill_value=0).rename("units").reset_index()
    own = ["style_id", "season_profile", "launch_date", "end_of_life_date"]
    days = days.join(products[own], "product_key")
    prices = busy.table("int_zone_prices").to_pandas()
    days = days.merge(prices[["product_key", "price_zone", "list_price_cents"]])
    days["date"] = pd.to_datetime(days["date_key"].astype(str))
    last_dates = pd.to_datetime(days["end_of_life_date"]).fillna(days["date"].max())
    days = days[days["date"].between(pd.to_datetime(days["launch_date"]), last_dates)]
    promoted = busy.table("int_promotion_days").to_pandas()
    days = days.merge(promoted, "left", ["product_key", "price_zone", "date_key"])
    days["discount"] = days["discount_cents"].fillna(0) / days["list_price_cents"]
    days["is_plain"] = days["promotion_key"].isna()
    days["is_dip"] = days["promotion_key"] == 0
    days["is_promoted"] = (days["promotion_key"] > 0) & (days["is_markdown"] == False)  # noqa: E712
    return with_usual_units(days)


def with_usual_units(days):
    """Return the days with `usual`: units that a product would sell at the list price.

    They are the product's level times that of the day for its season profile, such that both meet
    their units on plain days (a Poisson regression with these two effects, by turns). Products
    with few plain days are left out.
    """
    plain_days = days.groupby(["product_key", "price_zone"])["is_plain"].transform("sum")
    days = days[plain_days >= FEWEST_PLAIN_DAYS]
    product = pd.factorize(pd.MultiIndex.from_frame(days[["product_key", "price_zone"]]))[0]
    day = pd.factorize(pd.MultiIndex.from_frame(days[DAY]))[0]
    units, is_plain = days["units"].to_numpy(float), days["is_plain"].to_numpy(float)

    def level(of, usual):
        expected = np.maximum(np.bincount(of, is_plain * usual), 1e-9)
        return np.bincount(of, is_plain * units) / expected

    of_day = np.ones(day.max() + 1)
    for _ in range(20):
        of_product = level(product, of_day[day])
        of_day = level(day, of_product[product])
    return days.assign(usual=of_product[product] * of_day[day])


def elasticity_of(days):
    """Return the e at which usual units x (1 - discount) ^ e are those wanted on promotion."""
    low, high = -6.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        more = (days["usual"] * (1 - days["discount"]) ** middle).sum() > days["units"].sum()
        low, high = (middle, high) if more else (low, middle)
    return middle


def error_of(days, elasticity):
    """Return the standard error of that elasticity; days of one style err together."""
    expected = days["usual"] * (1 - days["discount"]) ** elasticity
    slope = (expected * np.log1p(-days["discount"])).sum()
    surprises = (days["units"] - expected).groupby(days["style_id"]).sum()
    return np.sqrt((surprises**2).sum()) / abs(slope)


@pytest.mark.timeout(600)
def test_random_promotions_tell_the_elasticity_of_each_kind_of_product(busy, days):
    truth = busy.table("int_price_elasticity").to_pandas().set_index("product_key")["elasticity"]
    promoted = days[days["is_promoted"]].join(truth, "product_key")
    thirds = pd.qcut(promoted["elasticity"], 3, labels=False)
    found, errors, true = [], [], []
    for third in range(3):
        rows = promoted[thirds == third]
        found.append(elasticity_of(rows))
        errors.append(error_of(rows, found[-1]))
        true.append(np.average(rows["elasticity"], weights=rows["usual"]))
    assert np.ptp(true) > 0.5
    assert max(errors) < 0.25
    assert (np.abs(np.subtract(found, true)) / errors).max() < 3
    assert abs(np.mean(found) - np.mean(true)) < 0.2


@pytest.mark.timeout(600)
def test_about_a_third_of_a_promotion_is_borrowed_from_the_days_after_it(days):
    extra = (days["units"] - days["usual"])[days["is_promoted"]].sum()
    dips = days[days["is_dip"]]
    missing = (dips["usual"] - dips["units"]).sum()
    effect = days["usual"] * (days["demand_uplift"].fillna(1) - 1)
    planted = -effect[days["is_dip"]].sum() / effect[days["is_promoted"]].sum()
    # Another promotion within the two weeks keeps some of it from being seen.
    assert 0.1 < planted < 0.34
    assert missing / extra == pytest.approx(planted, abs=0.06)


def naive_elasticity(days):
    """Return the slope of log units on log price paid, of product-weeks with their week's mean."""
    week = days["date"].dt.to_period("W").rename("week")
    sold = days.assign(paid=days["units"] * (1 - days["discount"]))
    weeks = sold.groupby([days["product_key"], week])[["units", "paid"]].sum()
    weeks = weeks[weeks["units"] > 0]
    logs = np.log(weeks.assign(price=weeks["paid"] / weeks["units"])[["units", "price"]])
    logs -= logs.groupby("week").transform("mean")
    return (logs["units"] * logs["price"]).sum() / (logs["price"] ** 2).sum()


@pytest.mark.timeout(600)
def test_prices_that_follow_demand_mislead_a_naive_regression(busy, days):
    """Slow sellers are cheap, so low prices seem to sell less than they do."""
    truth = busy.table("int_price_elasticity").to_pandas().set_index("product_key")["elasticity"]
    discounted = days[days["discount"] > 0].join(truth, "product_key")
    true = np.average(discounted["elasticity"], weights=discounted["usual"])
    assert naive_elasticity(days) > true + 0.5


@pytest.fixture(scope="module")
def paid(tmp_path_factory):
    """Return what was sold in standard stores and outlets: per line its format, prices, promotion.

    `paid` is for all units, in dollars; `discount` is a share of the list price.
    """
    world, _ = build_tiny(
        tmp_path_factory.mktemp("outlets"),
        *("--select", "+gold_sales_fact"),
        num_locations=8,
        demand_intensity=0.6,
    )
    sales = world.table("gold_sales_fact").to_pandas().query("not is_return")
    locations = world.table("gold_location_dim").to_pandas().set_index("location_key")
    sales = sales.join(locations[["store_format", "list_price_percent"]], "location_key")
    sales["paid"] = sales["net_sales_amount"]
    sales["discount"] = sales["discount_amount"] / sales["unit_price"]
    promotions = world.table("gold_promotion_dim").to_pandas().set_index("promotion_key")
    columns = ["discount_type", "discount_value", "product_share"]
    return world, sales.join(promotions[columns], "promotion_key")


def paid_in_outlets(sales):
    """Return the mean paid price in outlets over that in standard stores, of the same products."""
    totals = sales.groupby(["product_key", "store_format"])[["paid", "quantity_sold"]].sum()
    price = (totals["paid"] / totals["quantity_sold"]).unstack()[["outlet", "standard"]].dropna()
    units = totals["quantity_sold"].unstack().loc[price.index, "outlet"]
    return (price["outlet"] * units).sum() / (price["standard"] * units).sum()


@pytest.mark.timeout(600)
def test_outlets_charge_less_for_the_same_product(paid):
    world, sales = paid
    at_list_price = sales[sales["promotion_key"] == 0]
    assert paid_in_outlets(at_list_price) == pytest.approx(0.8, abs=0.01)
    assert 0.6 < paid_in_outlets(sales) < paid_in_outlets(at_list_price)
    percent = sales.groupby("store_format")["list_price_percent"].unique()
    assert percent.map(list).to_dict() == {"flagship": [100], "standard": [100], "outlet": [80]}
    truth = world.table("int_zone_prices").to_pandas().set_index(["product_key", "price_zone"])
    stores = sales[sales["store_format"].notna()]
    listed = stores.join(truth["list_price_cents"], ["product_key", "store_format"])
    assert (listed["unit_price"] * 100 - listed["list_price_cents"]).abs().max() < 1e-6
    products = world.table("gold_product_dim").to_pandas().set_index("product_key")
    cost = truth.join(products["unit_cost"])["unit_cost"]
    assert (truth["list_price_cents"] / 100 > cost).all()


@pytest.mark.timeout(600)
def test_promotions_are_deeper_in_outlets_and_flagships_mark_down_late(paid):
    _, sales = paid
    percentages = sales[sales["discount_type"] == "percentage"]
    depth = percentages["discount"] * 100 / percentages["discount_value"]
    is_markdown = percentages["product_share"] == 0
    for store_format, expected in {"flagship": 1, "standard": 1, "outlet": 1.25}.items():
        promoted = (percentages["store_format"] == store_format) & ~is_markdown
        assert promoted.sum() > 50
        assert depth[promoted].between(expected - 0.01, expected + 0.01).all()
        assert (depth[promoted].mean() - expected) == pytest.approx(0, abs=0.002)
    markdowns = percentages[is_markdown].groupby("store_format")["discount_value"].min()
    assert markdowns["flagship"] >= 30
    assert markdowns["standard"] < 30
