"""Weekly forecasts of units by product and location, simple ones and of a tree model.

See learnability.py. The tree gets what an analyst has at the forecast origin: past sales, stock,
prices, what is known of products and places, the calendar and planned promotions. No column of the
planner, and none of the tables that hold the truth.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from learnability_metrics import tsb, wape
from learnability_panel import DAYS_A_WEEK, Panel, codes, hashed

Array = Any
TEST_WEEKS = 4
# Weeks before those, on which the loss is chosen.
VALIDATION_WEEKS = 3
# Rows to train on: more are sampled by a hash of product and location.
TRAINING_ROWS = 200_000
# Weeks of history before the first origin to train on.
HISTORY_WEEKS = 2
# Units that a place must sell for half of its difference from its category to be believed.
SHRINKAGE = 5.0
# Units a week.
LEAST_EXPECTED = 0.02
LEAST_WEEKS = HISTORY_WEEKS + 2 + TEST_WEEKS  # one to validate, one to learn it from
LOSSES = ("absolute_error", "poisson")


class History:
    """Units and days on sale up to a day, summed so that any window is a difference."""

    def __init__(self, panel: Panel) -> None:
        """Sum the panel."""
        self.panel = panel
        self._units = _summed(panel.units, np.float32)
        self._on_sale = _summed(panel.on_sale(), np.int32)
        self._in_stock = _summed(panel.available > 0, np.int16)

    def units(self, first: int, last: int) -> Array:
        """Return units of the days from first to before last, shape (products, locations)."""
        return self._units[:, :, last] - self._units[:, :, max(first, 0)]

    def days_on_sale(self, first: int, last: int) -> Array:
        """Return days on sale, shape (products,)."""
        return self._on_sale[:, last] - self._on_sale[:, max(first, 0)]

    def in_stock(self, first: int, last: int) -> Array:
        """Return the share of days with something to sell at their end, (products, locations)."""
        first = max(first, 0)
        return (self._in_stock[:, :, last] - self._in_stock[:, :, first]) / (last - first)


def _summed(values: Array, kind: Any) -> Array:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1), kind)
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


def weekly_mean(history: History, origin: int, days: int) -> Array:
    """Return units a week on sale in the days before an origin, shape (products, locations)."""
    on_sale = history.days_on_sale(origin - days, origin)
    return history.units(origin - days, origin) * (DAYS_A_WEEK / np.maximum(on_sale, 1))[:, None]


def past_weeks(history: History, origin: int) -> Array:
    """Return units of the whole weeks before an origin, shape (products, locations, weeks)."""
    starts = range(origin % DAYS_A_WEEK, origin, DAYS_A_WEEK)
    return np.stack([history.units(start, start + DAYS_A_WEEK) for start in starts], axis=-1)


SIMPLE: dict[str, Callable[[History, int], Array]] = {
    "flat_mean": lambda history, origin: weekly_mean(history, origin, origin),
    "last_week": lambda history, origin: history.units(origin - 7, origin),
    "four_week_mean": lambda history, origin: weekly_mean(history, origin, 28),
    "tsb": lambda history, origin: tsb(past_weeks(history, origin)),
}


def expected(history: History, origin: int) -> Array:
    """Return a forecast to start from: the product's recent sales, shared among the places.

    A place's share is that of its category, corrected by what it sold of the product before, as far
    as that is more than chance (SHRINKAGE).
    """
    panel = history.panel
    by_category = _mean_over(
        weekly_mean(history, origin, origin), codes(panel.products["category_level_3"]), 0
    )
    share = by_category / np.maximum(by_category.sum(1, keepdims=True), 1e-9)
    sold = history.units(0, origin)
    usual = sold.sum(1, keepdims=True) * share
    recent = (weekly_mean(history, origin, 7) + weekly_mean(history, origin, 28)) / 2
    own = (sold + SHRINKAGE) / (usual + SHRINKAGE)
    return np.maximum(recent.sum(1, keepdims=True) * share * own, LEAST_EXPECTED)


def _mean_over(values: Array, group: Array, axis: int) -> Array:
    """Return the mean of each row's or column's group, of the shape of the values."""
    if axis == 0:
        return _mean_over(values.T, group, 1).T
    counts = np.bincount(group)
    sums = np.stack([np.bincount(group, row, len(counts)) for row in values])
    return (sums / counts)[:, group]


def _level_features(history: History, origin: int) -> dict[str, Array]:
    """Return mean units a week in some windows, at the levels of the hierarchy."""
    panel = history.panel
    of_region = codes(panel.locations["channel"] + panel.locations["region"])
    of_channel = codes(panel.locations["channel"])
    detailed = codes(panel.products["category_level_3"])
    broad = codes(panel.products["category_level_1"])
    features = {}
    for name, days in {"7": 7, "14": 14, "28": 28, "all": origin}.items():
        mean = weekly_mean(history, origin, days)
        features[f"mean_{name}"] = mean
        features[f"region_{name}"] = _mean_over(mean, of_region, 1)
        features[f"channel_{name}"] = _mean_over(mean, of_channel, 1)
        features[f"product_{name}"] = mean.mean(1, keepdims=True)
        features[f"category_place_{name}"] = _mean_over(mean, detailed, 0)
        features[f"broad_place_{name}"] = _mean_over(mean, broad, 0)
        features[f"broad_{name}"] = _mean_over(mean.mean(1, keepdims=True), broad, 0)
    # What the place's share of the category makes of the product's sales everywhere.
    of_category = features["category_place_all"].mean(1, keepdims=True)
    share = features["category_place_all"] / np.maximum(of_category, 1e-9)
    for name in ("7", "28", "all"):
        features[f"top_down_{name}"] = features[f"product_{name}"] * share
    return features


def _own_features(history: History, origin: int) -> dict[str, Array]:
    """Return what is known of a position: its last weeks, its stock, how it sold."""
    panel = history.panel
    weeks = past_weeks(history, origin)
    return {
        "lag_1": weeks[:, :, -1],
        "lag_2": weeks[:, :, -2],
        "share_of_weeks_with_sales": (weeks > 0).mean(2),
        "tsb": tsb(weeks),
        "in_stock_7": history.in_stock(origin - 7, origin),
        "in_stock_28": history.in_stock(origin - 28, origin),
        "available": panel.available[:, :, origin - 1],
        "inbound": panel.inbound[:, :, origin - 1],
    }


def _plan_features(panel: Panel, origin: int, week: int) -> dict[str, Array]:
    """Return prices, planned promotions, and the calendar of the week that begins on a day."""
    kind = (panel.locations["channel"] == "digital").astype(int)
    planned = panel.discount[:, :, week : week + 7].mean(2)[:, kind]
    launch = panel.products["launch_day"] - panel.first_day
    ends = np.nan_to_num(panel.products["last_day"] - panel.first_day, nan=9999.0)
    recent = np.nanmean(
        np.concatenate([panel.paid[:, max(origin - 7, 0) : origin], np.ones((len(launch), 1))], 1),
        1,
    )
    features = {
        "discount": planned,
        "discount_last_7": panel.discount[:, :, max(origin - 7, 0) : origin].mean(2)[:, kind],
        "discount_last_28": panel.discount[:, :, max(origin - 28, 0) : origin].mean(2)[:, kind],
        "paid_share_7": recent[:, None],
        "base_price": panel.products["base_price"][:, None],
        "weeks_since_launch": np.clip((week - launch) / 7, -1, 60)[:, None],
        "days_on_sale_ahead": np.clip(ends - week + 1, 0, 60)[:, None],
        "weeks_ahead": np.array([[(week - origin) / 7]]),
    }
    for name in ("is_holiday", "is_peak_season", "is_sale_period"):
        features[name] = np.array([[panel.calendar[name][week : week + 7].sum()]])
    return features


def _fixed_features(panel: Panel) -> dict[str, Array]:
    """Return attributes of products and places as numbers."""
    columns = [
        *("category_level_1", "category_level_2", "category_level_3", "brand"),
        *("price_tier", "season_profile", "season_code"),
    ]
    features = {name: codes(panel.products[name])[:, None] for name in columns}
    for name in ("location_type", "store_format", "region", "state"):
        features[name] = codes(panel.locations[name])[None, :]
    for name in ("selling_sqft", "latitude"):
        features[name] = panel.locations[name][None, :]
    return features


class Table:
    """Rows to learn from: features of positions at an origin, for weeks ahead of it."""

    def __init__(self, history: History) -> None:
        """Prepare what does not change with the origin."""
        self.history = history
        self.names: list[str] = []
        self._fixed = _fixed_features(history.panel)
        self._origin: int | None = None
        self._past: dict[str, Array] = {}

    def rows(self, origin: int, week: int, chosen: Array) -> Array:
        """Return features of chosen positions, shape (positions, features).

        Args:
            origin: day of the forecast: nothing of it or of later days is used but plans.
            week: first day of the week to forecast.
            chosen: which positions, shape (products, locations).
        """
        panel = self.history.panel
        if origin != self._origin:
            self._origin = origin
            self._past = {
                "expected": expected(self.history, origin),
                **_level_features(self.history, origin),
                **_own_features(self.history, origin),
                **self._fixed,
            }
        features = {**self._past, **_plan_features(panel, origin, week)}
        self.names = list(features)
        shape = panel.units.shape[:2]
        rows = np.empty((int(chosen.sum()), len(features)), np.float32)
        for at, values in enumerate(features.values()):
            rows[:, at] = np.broadcast_to(values, shape)[chosen]
        return rows


def positions(panel: Panel, week: int) -> Array:
    """Return positions with a product on sale in a week, shape (products, locations)."""
    on_sale = panel.on_sale()[:, week : week + 7].any(1)
    return np.broadcast_to(on_sale[:, None], panel.units.shape[:2])


def _training(table: Table, pairs: list[tuple[int, int]]) -> tuple[Array, Array]:
    """Return features and units of (origin, week) pairs, sampled to TRAINING_ROWS."""
    history = table.history
    panel = history.panel
    draw = hashed(panel.products["product_key"][:, None], panel.locations["location_key"][None, :])
    share = TRAINING_ROWS / max(1, len(pairs) * draw.size)
    rows, units = [], []
    for origin, week in pairs:
        chosen = positions(panel, week) & (draw < share)
        rows.append(table.rows(origin, week, chosen))
        units.append(history.units(week, week + 7)[chosen])
    return np.concatenate(rows), np.concatenate(units)


def fit(rows: Array, units: Array, loss: str) -> Any:
    """Return a tree model of units over what is expected, the first feature, weighted by it."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss=loss,
        learning_rate=0.08,
        max_iter=120,
        max_leaf_nodes=31,
        min_samples_leaf=200,
        l2_regularization=1.0,
        random_state=0,
        early_stopping=False,
    )
    return model.fit(rows, units / rows[:, 0], sample_weight=rows[:, 0])


def tree_forecast(model: Any, table: Table, origin: int, week: int) -> Array:
    """Return units in a week, shape (products, locations), 0 where nothing is on sale."""
    chosen = positions(table.history.panel, week)
    rows = table.rows(origin, week, chosen)
    forecast = np.zeros(chosen.shape)
    forecast[chosen] = np.maximum(model.predict(rows), 0) * rows[:, 0]
    return forecast


def forecast_errors(panel: Panel, tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the weekly WAPE of each forecast over the last whole weeks.

    One week ahead, each from the end of the week before it, and up to four weeks ahead, all from
    the end of the last week before them. The tree learns anew at each origin, from earlier weeks.
    """
    history = History(panel)
    table = Table(history)
    weeks = [int(week) for week in panel.weeks()][HISTORY_WEEKS:]
    test = weeks[-TEST_WEEKS:]
    validated = _validated(table, weeks[:-TEST_WEEKS], tell)
    loss = min(validated, key=lambda each: validated[each])
    models = {}
    for origin in test:
        tell(f"forecast: tree with {loss} of the weeks before day {origin}")
        models[origin] = _model_before(table, weeks, origin, loss)
    actual = [history.units(week, week + 7) * positions(panel, week) for week in test]
    found: dict[str, Any] = {"validation": validated}
    for name, origins in {"one_week": test, "four_weeks": [test[0]] * TEST_WEEKS}.items():
        ahead = list(zip(origins, test, strict=True))
        found[f"{name}_ahead"] = {
            simple: _errors(actual, [forecast(history, o) * positions(panel, w) for o, w in ahead])
            for simple, forecast in SIMPLE.items()
        }
        trees = [tree_forecast(models[origin], table, origin, week) for origin, week in ahead]
        found[f"{name}_ahead"]["tree"] = _errors(actual, trees)
    return found


def _validated(table: Table, weeks: list[int], tell: Callable[[str], None]) -> dict[str, float]:
    """Return the WAPE of each loss in the last of the weeks, each learned from those before it."""
    # The first week has none before it.
    validation = weeks[1:][-VALIDATION_WEEKS:]
    panel = table.history.panel
    actual = [table.history.units(week, week + 7) * positions(panel, week) for week in validation]
    validated = {}
    for loss in LOSSES:
        tell(f"forecast: tree with {loss} on {len(validation)} validation weeks")
        models = [_model_before(table, weeks, week, loss) for week in validation]
        forecast = [
            tree_forecast(model, table, week, week)
            for model, week in zip(models, validation, strict=True)
        ]
        validated[loss] = wape(np.stack(actual), np.stack(forecast))
    return validated


def _model_before(table: Table, weeks: list[int], origin: int, loss: str) -> Any:
    """Return a tree model of the weeks before an origin, each forecast from its eve."""
    return fit(*_training(table, [(week, week) for week in weeks if week < origin]), loss)


def _errors(actual: list[Array], forecast: list[Array]) -> dict[str, Any]:
    """Return the WAPE of all weeks, of each, of products everywhere, and forecast over actual."""
    true, found = np.stack(actual), np.stack(forecast)
    return {
        "wape": wape(true, found),
        "by_week": [wape(a, f) for a, f in zip(true, found, strict=True)],
        "product": wape(true.sum(2), found.sum(2)),
        "bias": float(found.sum() / true.sum()),
    }
