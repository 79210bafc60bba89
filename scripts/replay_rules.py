"""How the published tables grow when a built world is replayed: for replay.py, which writes them.

docs/replay.md says the same in words. SQL is that of DataFusion, with what `values_of` gives in
braces and `t` for the table that is replayed.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

# Tables that describe the whole world as it was built, not a day of it.
LEFT_OUT = (
    *("build_variables", "gold_validation_results", "realism_metrics"),
    "gold_demand_truth",  # which nobody knows on any day
)
NEVER = "date '9999-12-31'"


def literal(day: date) -> str:
    """Return a day as a literal of SQL."""
    return f"date '{day}'"


def date_key(day: date) -> int:
    """Return a day as the number YYYYMMDD."""
    return int(f"{day:%Y%m%d}")


def values_of(day: date, last: date) -> dict[str, Any]:
    """Return what may stand in braces: a day, and the last week and month that end with it.

    Where the built world ends, on `last`, its last week and month end as well.
    """
    week = day if day == last else day - timedelta(days=6)
    month = day if day == last else (day + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    return {
        "day": date_key(day),
        "date": literal(day),
        "calendar": literal(day + timedelta(days=365)),
        "week": date_key(week - timedelta(days=week.weekday())),
        "month": date_key(month.replace(day=1)),
    }


@dataclass(frozen=True)
class Rule:
    """How a table grows; names in braces that begin with b_ are of the day before.

    known     the rows that are known on a day
    new       those of them that the day brings, or revises where there is a key
    revised   columns whose values came later -> what was known on the day
    key       column by which rows are replaced; none where rows never change
    rows      what to select from, where that is not the table alone
    """

    known: str = "true"
    new: str = "false"
    revised: dict[str, str] = field(default_factory=dict)
    key: str = ""
    rows: str = ""


def growing(column: str, until: str) -> Rule:
    """Return the rule of a table whose rows, known when `column` is reached, never change."""
    return Rule(f"t.{column} <= {{{until}}}", f"t.{column} > {{b_{until}}}")


BY_DAY = growing("date_key", "day")
WHOLE = Rule()
ACTUALS = (
    *("actual_quantity", "actual_revenue", "forecast_accuracy", "mape", "bias"),
    *("actual_demand", "unmet_demand", "is_constrained"),
)
# Where a line of sale is, and where its return.
FIT_LINES = """
(select coalesce(original_line_item_id, line_item_id) as line, is_return, date_key
    from gold_sales_fact) as s
inner join gold_size_fit_bridge as t on t.line_item_id = s.line and t.is_returned = s.is_return
"""
CAME_AGAIN = "coalesce(t.later_visit_date_key <= {day}, false)"
# Who has not come again yet has bought nothing, and waits.
BOUGHT_LATER = f"case when {CAME_AGAIN} then t.quantity_bought_later else 0 end"
WAITS = f"t.later_visit_date_key is not null and not {CAME_AGAIN}"
LOST_SO_FAR = f"""
gold_stockout_events as t left join (
    select t.stockout_id as id, count(*) as lines, sum(t.quantity_lost) as units,
        sum(cast(round(t.lost_revenue * 100) as bigint)) as cents,
        sum(t.quantity_substituted) as substituted, sum({BOUGHT_LATER}) as bought_later
    from gold_lost_sales_fact as t where t.date_key <= {{day}} group by t.stockout_id
) as l on t.stockout_id = l.id
"""
PEAK_SO_FAR = (
    "coalesce((select max(calendar_date) from gold_date_dim where is_peak_season"
    " and calendar_date <= {date}) >= t.stockout_start_date, false)"
)
GOES_ON = "coalesce(t.stockout_end_date_key >= {day}, true)"


def while_it_goes_on(value: str, otherwise: str) -> str:
    """Return the SQL of a column of stockouts that are not over on the day."""
    return f"case when {GOES_ON} then {value} else {otherwise} end"


STOCKOUTS = Rule(
    known="t.stockout_start_date_key <= {day}",
    # Or somebody comes again who was there in vain.
    new="coalesce(t.stockout_end_date_key >= {b_day}, true) or t.stockout_id in (select stockout_id"
    " from gold_lost_sales_fact where later_visit_date_key = {day})",
    key="stockout_id",
    rows=LOST_SO_FAR,
    revised={
        **{
            name: while_it_goes_on("null", f"t.{name}")
            for name in ("stockout_end_date_key", "stockout_end_date", "restocked_date")
        },
        "stockout_duration_days": while_it_goes_on(
            "cast({date} as int) - cast(t.stockout_start_date as int) + 1",
            "t.stockout_duration_days",
        ),
        "lost_sales_attempts": "cast(coalesce(l.lines, 0) as int)",
        "lost_sales_quantity": "cast(coalesce(l.units, 0) as int)",
        "lost_sales_revenue": "coalesce(l.cents, 0) / cast(100 as double)",
        "substituted_quantity": "cast(coalesce(l.substituted, 0) as int)",
        "bought_later_quantity": "cast(coalesce(l.bought_later, 0) as int)",
        "finally_lost_quantity": "cast(coalesce(l.units - l.substituted - l.bought_later, 0)"
        " as int)",
        "peak_season_flag": while_it_goes_on(PEAK_SO_FAR, "t.peak_season_flag"),
    },
)

TABLES = {
    "gold_time_dim": WHOLE,
    "gold_channel_dim": WHOLE,
    "gold_location_dim": WHOLE,
    "gold_promotion_dim": Rule(
        "coalesce(t.start_date <= {calendar}, true)", "t.start_date > {b_calendar}"
    ),
    "gold_date_dim": growing("calendar_date", "calendar"),
    "gold_product_dim": Rule(
        new="t.launch_date = {date} or t.end_of_life_date = {b_date}",
        key="product_key",
        revised={
            "is_active": "t.launch_date <= {date} and coalesce(t.end_of_life_date >= {date}, true)"
        },
    ),
    "gold_customer_dim": Rule(
        known="t.effective_date <= {date}",
        new="t.effective_date = {date} or t.expiration_date = {b_date}",
        key="customer_key",
        revised={
            "expiration_date": f"case when t.expiration_date >= {{date}} then {NEVER}"
            " else t.expiration_date end",
            "is_current": "t.expiration_date >= {date}",
        },
    ),
    "gold_inventory_fact": BY_DAY,
    "gold_inventory_movement_fact": BY_DAY,
    "gold_sales_fact": BY_DAY,
    "gold_stockout_events": STOCKOUTS,
    "gold_lost_sales_fact": Rule(
        known="t.date_key <= {day}",
        new="t.date_key = {day} or t.later_visit_date_key = {day}",
        key="lost_sale_id",
        revised={
            "outcome": f"case when {WAITS} then 'waiting' else t.outcome end",
            "quantity_bought_later": f"cast({BOUGHT_LATER} as int)",
            "quantity_finally_lost": "cast(t.quantity_lost - t.quantity_substituted"
            f" - {BOUGHT_LATER} as int)",
            "later_visit_date_key": f"case when {CAME_AGAIN} then t.later_visit_date_key end",
        },
    ),
    "gold_cart_fact": BY_DAY,
    "gold_cart_abandonment_fact": Rule(
        known="t.date_key <= {day}",
        new="t.date_key = {day} or t.recovery_date_key = {day}",
        key="abandonment_id",
        revised={
            "is_recovered": "coalesce(t.recovery_date_key <= {day}, false)",
            "recovery_converted": "coalesce(t.recovery_date_key <= {day}, false)",
            "recovery_date_key": "case when t.recovery_date_key <= {day}"
            " then t.recovery_date_key end",
            "recovery_revenue": "case when t.recovery_date_key <= {day}"
            " then t.recovery_revenue else cast(0 as double) end",
        },
    ),
    "gold_customer_event_fact": BY_DAY,
    "gold_demand_forecast_fact": Rule(
        known="t.forecast_date <= {date}",
        new="t.forecast_date = {date} or (t.date_key > {b_week} and t.date_key <= {week})",
        key="forecast_id",
        revised={name: f"case when t.date_key <= {{week}} then t.{name} end" for name in ACTUALS},
    ),
    "gold_sales_daily_agg": BY_DAY,
    "gold_sales_weekly_agg": growing("week_start_date_key", "week"),
    "gold_sales_monthly_agg": growing("month_start_date_key", "month"),
    "gold_channel_performance_agg": BY_DAY,
    "gold_size_fit_bridge": Rule("s.date_key <= {day}", "s.date_key = {day}", rows=FIT_LINES),
    # Calculated from all days at once: its one state is that of the day of the calculation.
    "gold_customer_product_affinity_agg": growing("calculation_date", "date"),
}
