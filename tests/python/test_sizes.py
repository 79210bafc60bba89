"""A product is a style x colour x size: what the dimension, the plan and the demand make of it."""

import numpy as np
import pandas as pd
import pytest
from support import ROOT, build_tiny

STYLE_COLUMNS = [
    *("brand", "category_level_1", "category_level_2", "category_level_3", "gender"),
    *("size_ladder", "size_range", "material_primary", "material_composition", "season_code"),
    *("collection_name", "launch_date", "end_of_life_date", "base_price", "unit_cost"),
    *("price_tier", "sustainability_flag", "demand_index", "return_rate_index"),
]

FITS = ["too_small", "perfect", "too_large"]


def seed(name):
    """Return a seed."""
    return pd.read_csv(next((ROOT / "seeds").glob(f"*/{name}.csv")), dtype={"size": str})


def products_of(world):
    """Return gold_product_dim of a world."""
    return world.table("gold_product_dim").to_pandas().sort_values("product_key")


@pytest.fixture(scope="module")
def assortments(tiny_world, tmp_path_factory):
    """Return gold_product_dim of 10, 60 and 2,000 products."""
    found = {60: products_of(tiny_world)}
    for count in (10, 2000):
        folder = tmp_path_factory.mktemp(f"products_{count}")
        world, _ = build_tiny(folder, "--select", "+gold_product_dim", num_products=count)
        found[count] = products_of(world)
    return found


@pytest.fixture(params=[10, 60, 2000])
def products(request, assortments):
    """Return gold_product_dim of so many products."""
    return assortments[request.param]


@pytest.mark.timeout(600)
def test_products_are_complete_runs_one_after_the_other(products):
    ladders = seed("sizes").groupby("size_ladder")["size"].apply(list)
    assert products["product_key"].tolist() == list(range(1, len(products) + 1))
    colorways = products.groupby("colorway_key", sort=False)
    assert list(colorways.groups) == list(range(1, len(colorways) + 1))
    for _, run in colorways:
        assert run["size"].tolist() == ladders[run["size_ladder"].iloc[0]]
        assert run["size_order"].tolist() == list(range(1, len(run) + 1))
        assert (np.diff(run["product_key"]) == 1).all()
    numbers = products["style_id"].str[6:].astype(int)
    assert numbers.iloc[0] == 1
    assert numbers.diff().dropna().between(0, 1).all()
    assert products["sku"].is_unique


@pytest.mark.timeout(600)
def test_a_style_has_one_launch_and_price_and_its_colours_differ(products):
    styles = products.groupby("style_id")
    assert styles[STYLE_COLUMNS].nunique(dropna=False).eq(1).all().all()
    colorways = products.groupby("colorway_key")
    assert colorways[["style_id", "color_name", "popularity_draw"]].nunique().eq(1).all().all()
    first = colorways.first()
    assert not first.duplicated(["style_id", "color_name"]).any()
    assert first["popularity_draw"].is_unique
    assert styles["colorway_key"].nunique().between(1, 3).all()


@pytest.mark.timeout(600)
def test_categories_have_their_share_of_the_products(products):
    """Up to three runs of a style at each of the three levels: no category comes by chance."""
    taxonomy = seed("product_taxonomy")
    count = len(products)
    # Sixty products have all first levels, 2,000 all categories.
    for level in range(1, 1 + {10: 0, 60: 1, 2000: 3}[count]):
        column = f"category_level_{level}"
        assert set(products[column]) == set(taxonomy[column])
    for level, runs in ((1, 1), (2, 2), (3, 3)):
        column = f"category_level_{level}"
        expected = taxonomy.groupby(column)["weight"].sum() / 1000 * count
        found = products[column].value_counts().reindex(expected.index).fillna(0)
        assert (found - expected).abs().max() <= 33 * runs
    genders = seed("category_genders")[["category_level_3", "gender", "size_ladder"]]
    assert len(products.merge(genders)) == count


@pytest.mark.timeout(600)
def test_a_name_and_a_code_tell_the_size(products):
    one_size = products["size"] == "ONE SIZE"
    for row in products[~one_size].itertuples():
        assert row.product_name.endswith(f" {row.size}")
        assert row.sku.endswith(f"-{row.size}")
        first, last = row.size_range.split("-")
        assert {first, last} <= set(products[products["style_id"] == row.style_id]["size"])
    assert (products[one_size]["size_range"] == "ONE SIZE").all()
    assert not products[one_size]["product_name"].str.contains("SIZE").any()


@pytest.mark.timeout(600)
def test_more_products_leave_the_others_as_they_are(assortments):
    """All but what fills up the end, less than a run."""
    few, more = assortments[60], assortments[2000]
    names = [name for name in few if name not in ("etl_timestamp", "is_active")]
    same = (few[names].astype(str).to_numpy() == more[names].head(60).astype(str).to_numpy()).all(1)
    assert same[: 60 - 11].all()


@pytest.fixture(scope="module")
def tables(tiny_world):
    """Return a function that reads a table of the tiny preset as a pandas frame."""
    return lambda name: tiny_world.table(name).to_pandas()


@pytest.mark.tables
def test_sizes_have_their_share_of_what_customers_want(tables):
    """Units wanted of a size, among those of its colourway, by the share that is planted."""
    curves = tables("int_size_curves")
    assert curves.groupby("colorway_key")["size_share"].sum().to_numpy() == pytest.approx(1)
    lines = tables("int_cart_lines")
    units = lines.groupby("product_key")["quantity_requested"].sum()
    curves["units"] = curves["product_key"].map(units).fillna(0)
    expected = curves.groupby("colorway_key")["units"].transform("sum") * curves["size_share"]
    curves["expected"] = expected
    products = tables("gold_product_dim")[["product_key", "size_ladder", "size"]]
    by_size = curves.merge(products).groupby(["size_ladder", "size"])[["units", "expected"]].sum()
    often = by_size.query("expected > 100")
    assert len(often) > 10
    assert (often["units"] / often["expected"]).to_numpy() == pytest.approx(1, abs=0.35)
    assert np.corrcoef(by_size["units"], by_size["expected"])[0, 1] > 0.95


@pytest.mark.tables
def test_planners_err_about_a_size_in_all_places_alike(tables):
    """The error of the seed, less what all sizes of a colourway have in common."""
    curves = tables("int_size_curves")
    totals = curves.groupby("colorway_key")["planned_size_share"].sum()
    assert totals.to_numpy() == pytest.approx(1)
    runs = curves[curves.groupby("colorway_key")["product_key"].transform("size") > 1]
    error = np.log(runs["planned_size_share"] / runs["size_share"])
    planted = seed("size_planning").set_index("parameter")["parameter_value"]["size_share_error"]
    assert error.std() == pytest.approx(planted, rel=0.3)
    plan = tables("int_demand_plan").merge(curves, on="product_key")
    keys = ["location_key", "month_key", "colorway_key"]
    often = plan["demand_weight"].groupby([plan[key] for key in keys]).transform("min") > 10_000
    found = plan["demand_weight"] / plan.groupby(keys)["demand_weight"].transform("sum")
    assert found[often].to_numpy() == pytest.approx(plan[often]["size_share"].to_numpy(), rel=0.01)
    found = plan["usual_daily_demand"] / plan.groupby(keys)["usual_daily_demand"].transform("sum")
    is_run = often & (plan["size_share"] < 1)
    correlation = {
        share: np.corrcoef(np.log(found[is_run]), np.log(plan[is_run][share]))[0, 1]
        for share in ("planned_size_share", "size_share")
    }
    assert correlation["planned_size_share"] > 0.95 > correlation["size_share"]


@pytest.mark.tables
def test_sizes_of_a_colourway_are_liked_and_marked_down_alike(tables):
    products = tables("gold_product_dim")[["product_key", "colorway_key", "style_id"]]
    assert set(tables("int_demand_levels")["colorway_key"]) == set(products["colorway_key"])
    tastes = tables("int_place_tastes")
    assert not tastes.duplicated(["colorway_key", "location_key"]).any()
    marked = tables("int_markdown_days").merge(products)
    sizes = products["style_id"].value_counts()
    days = marked.groupby(["style_id", "date_key", "promotion_key"])["product_key"].nunique()
    assert (days == sizes.reindex(days.index.get_level_values(0)).to_numpy()).all()


@pytest.mark.tables
def test_feedback_and_reasons_follow_from_the_size_bought(tables):
    """What is bought below the customer's own size is too small, what is above too large."""
    fits = tables("gold_size_fit_bridge")
    step = np.sign(fits["size_difference"])
    share = {name: (fits["fit_description"] == name).groupby(step).mean() for name in FITS}
    assert (np.diff(share["too_small"]) < 0).all()
    assert (np.diff(share["too_large"]) > 0).all()
    assert share["perfect"][0] > 0.5
    assert share["too_small"][-1] > 0.3
    for reason in ("too_small", "too_large"):
        back = fits[fits["return_reason"] == reason]
        assert (back["fit_description"] == reason).all()
    distance = fits.groupby("return_reason")["size_difference"].mean()
    assert distance["too_small"] < 0 < distance["too_large"]


@pytest.mark.tables
def test_feedback_is_of_who_wears_it(tables):
    """Of known customers, on what is made for their gender, mostly in their own size."""
    fits = tables("gold_size_fit_bridge").merge(tables("gold_product_dim"), on="product_key")
    assert (fits["ordered_size"] == fits["size"]).all()
    assert fits["size_difference"].median() == 0
    assert (fits["size_difference"].abs() <= 1).mean() > 0.8
    people = tables("gold_customer_dim")[["customer_key", "gender"]]
    gender = fits.merge(people, on="customer_key", suffixes=("", "_of_customer"))
    other = {"female": "men", "male": "women"}
    assert (gender["gender_of_customer"].map(other) != gender["gender"]).all()


@pytest.mark.tables
def test_reasons_keep_their_shares_over_all_returns(tables):
    """About as many returns are for the size as the seed says, though sizes differ."""
    reasons = seed("return_reasons").query("fit_relevant").set_index("return_reason")["weight"]
    indexes = seed("size_fit").pivot(
        index="size_difference", columns="fit_description", values="index_percent"
    )
    weights = pd.DataFrame(
        {name: reasons[name] * indexes.get(name, 100) / 100 for name in reasons.index},
        index=indexes.index,
    )
    shares = weights.div(weights.sum(axis=1), axis=0)
    steps = tables("int_line_fits")["size_difference"].clip(-2, 2)
    expected = shares.loc[steps].mean() * 1000
    assert expected["too_small"] == pytest.approx(reasons["too_small"], rel=0.15)
    assert expected["too_large"] == pytest.approx(reasons["too_large"], rel=0.15)


@pytest.mark.tables
def test_a_customer_has_one_body(tables):
    """Who wears large tops wears large bottoms: ranks in the ladder of the gender."""
    people = tables("gold_customer_dim").query("version == 1 and customer_key != 0")
    sizes = seed("sizes").set_index(["size_ladder", "size"])["sort_order"]
    ladders = {"female": ("women_alpha", "women_numeric"), "male": ("men_alpha", "men_waist")}
    for gender, (tops, bottoms) in ladders.items():
        own = people[people["gender"] == gender]
        ranks = (
            own["size_profile_tops"].map(sizes[tops]),
            own["size_profile_bottoms"].map(sizes[bottoms]),
        )
        assert 0.5 < np.corrcoef(*ranks)[0, 1] < 0.8
