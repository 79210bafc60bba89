"""Levels of demand, which move over months: what planners can find in past sales."""

import numpy as np
import pytest

REGIONS = ["Midwest", "West"]


@pytest.fixture(scope="module")
def levels(load_model):
    return load_model("models/demand/int_demand_levels.py")


@pytest.fixture
def components(levels):
    return {
        "product_level": levels.Component(0.96, 0.4),
        "region_level": levels.Component(0.9, 0.2),
    }


def mondays_of(levels, month_key, components, size=200):
    """The Monday levels of the months' first region, (W, P)."""
    table = next(levels.levels_of_month(month_key, np.arange(1, size + 1), REGIONS, components, 42))
    return np.array(table["monday_levels"].to_pylist()).T


def test_a_level_is_the_sum_of_its_innovations(levels):
    """Against a loop over weeks: half of a week's logarithm is left a week later."""
    component = levels.Component(0.5, 0.3)
    weights = levels.innovation_weights(component)
    assert len(weights) == 7  # an eighth would weigh less than a hundredth
    draws = np.random.default_rng(1).random((len(weights) + 9, 3))
    expected = []
    for week in range(len(weights) - 1, len(draws)):
        newest_first = draws[week::-1][: len(weights)] - 0.5
        by_age = 0.5 ** np.arange(len(weights))[:, None]
        logarithm = (by_age * newest_first).sum(axis=0) / (by_age**2).sum() ** 0.5 * 12**0.5 * 0.3
        expected.append(np.exp(logarithm))
    found = levels.monday_levels(component, draws)
    ratio = found / np.array(expected)
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]))


@pytest.mark.parametrize(("persistence", "deviation"), [(0.0, 0.6), (0.5, 0.3), (0.96, 0.4)])
def test_levels_have_the_mean_one_and_last_as_they_should(levels, persistence, deviation):
    component = levels.Component(persistence, deviation)
    found = levels.levels_between(component, 42, 1, 0, (2900, 2901), 200_000)
    assert found.mean() == pytest.approx(1, abs=0.005)
    assert np.log(found).std() == pytest.approx(deviation, abs=0.005)
    assert np.corrcoef(np.log(found))[0, 1] == pytest.approx(persistence, abs=0.01)


def test_without_deviation_there_is_no_level(levels):
    component = levels.Component(0.9, 0.0)
    assert (levels.levels_between(component, 42, 1, 0, (2900, 2910), 5) == 1).all()


def test_a_month_is_computed_alone(levels, components):
    """The Mondays that two months share have the same levels in both, whatever their number."""
    november, december = (mondays_of(levels, month, components) for month in (202511, 202512))
    # From October 27 to December 1, and from December 1 to January 5.
    assert november.shape == (6, 200)
    assert november[-1].tolist() == december[0].tolist()
    assert mondays_of(levels, 202511, components, size=50).tolist() == november[:, :50].tolist()


def test_month_and_past_are_averages_of_the_levels(levels, components):
    colorway_keys = np.arange(1, 21)
    tables = list(levels.levels_of_month(202511, colorway_keys, REGIONS, components, 42))
    assert [table["region"][0].as_py() for table in tables] == REGIONS
    of_month = [table["month_level"].to_numpy() for table in tables]
    assert (of_month[0] != of_month[1]).all()
    mondays = np.array(tables[0]["monday_levels"].to_pylist()).T
    # November begins on a Saturday, five days after the first of these Mondays.
    on_the_way = np.array([np.interp(np.arange(5, 35) / 7, range(6), own) for own in mondays.T])
    assert of_month[0] == pytest.approx(on_the_way.mean(axis=1), abs=2e-6)
    first = int(levels.week_of(levels.month_days(202511)[0]))
    weeks = first - 13, first - 1
    before = [
        levels.levels_between(components[name], 42, stream, 0, weeks, 20)
        for name, stream in (
            ("product_level", levels.PRODUCT_LEVEL),
            ("region_level", levels.REGION_LEVEL),
        )
    ]
    past = (before[0] * before[1]).mean(axis=0)
    assert tables[0]["past_level"].to_numpy() == pytest.approx(past, abs=2e-6)


@pytest.mark.tables
def test_levels_are_found_in_what_customers_want(tiny_world):
    """Units wanted by colourway and month, relative to those at the level 1, follow the level."""
    months = ["colorway_key", "month_key"]
    products = tiny_world.table("gold_product_dim").to_pandas()[["product_key", "colorway_key"]]
    plan = tiny_world.table("int_demand_plan").to_pandas().merge(products)
    places = tiny_world.table("gold_location_dim").to_pandas()[["location_key", "region"]]
    level = tiny_world.table("int_demand_levels").to_pandas()
    plan = plan.merge(places).merge(level, on=["region", *months])
    plan["at_level_one"] = plan["mean_daily_demand"] / plan["month_level"]
    expected = plan.groupby(months)[["mean_daily_demand", "at_level_one"]].sum()
    lines = tiny_world.table("int_cart_lines").to_pandas().merge(products)
    lines["month_key"] = lines["date_key"] // 100
    expected["wanted"] = lines.groupby(months)["quantity_requested"].sum()
    # Of whole months, and of what is sold often.
    found = expected.loc[(slice(None), 202512), :].query("wanted > 30")
    assert len(found) > 5
    levels = np.log(found["mean_daily_demand"] / found["at_level_one"])
    measured = np.log(found["wanted"] / found["at_level_one"])
    assert np.corrcoef(levels, measured)[0, 1] > 0.8


@pytest.mark.tables
def test_published_planning_is_not_made_from_true_means(tiny_world):
    """It is near them, as past sales are, and errs; five places and 60 products vary widely."""
    stock = tiny_world.table("gold_inventory_fact").to_pandas()
    stock = stock[(stock["date_key"] == 20251215) & (stock["days_of_supply"] > 0)]
    plan = tiny_world.table("int_demand_plan").to_pandas()
    plan = plan[(plan["month_key"] == 202512) & (plan["mean_daily_demand"] > 0)]
    both = stock.merge(plan, on=["product_key", "location_key"])
    expected = np.log(both["quantity_available"] / both["days_of_supply"])
    assert 0.6 < np.corrcoef(expected, np.log(both["mean_daily_demand"]))[0, 1] < 0.96
    reorder = both[both["reorder_point"] > 1]
    correlation = np.corrcoef(
        np.log(reorder["reorder_point"]), np.log(reorder["mean_daily_demand"])
    )
    assert correlation[0, 1] < 0.96
