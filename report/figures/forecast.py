"""The forecast beside demand and sales."""

from collections import defaultdict

import plotly.graph_objects as go

from report.figures.style import DEMAND, FORECAST, SALES, base
from report.rows import Row, share


def forecast_weeks(weeks: list[Row]) -> go.Figure | None:
    """Draw forecast, demand and sales of all positions together, by week."""
    if not weeks:
        return None
    starts = sorted({row["week_start"] for row in weeks})
    figure = base(340)
    for key, name, colour, dash in (
        ("demand", "demand", DEMAND, "solid"),
        ("sales", "sales", SALES, "solid"),
        ("forecast", "forecast", FORECAST, "dash"),
    ):
        figure.add_scatter(
            x=starts,
            y=[sum(row[key] for row in weeks if row["week_start"] == start) for start in starts],
            name=name,
            mode="lines+markers",
            marker={"size": 5},
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"%{{y:,.0f}} {name}<extra></extra>",
        )
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title_text="week that starts on")
    figure.update_yaxes(title_text="units a week", rangemode="tozero")
    return figure


def forecast_errors(weeks: list[Row]) -> go.Figure | None:
    """Draw the forecast's error against demand and sales, in constrained weeks and others."""
    errors = forecast_wape(weeks)
    if not errors:
        return None
    names = [
        f"{name}<br>{errors[kind]['position_weeks']:,} product-location-weeks"
        for kind, name in ((False, "all units served"), (True, "ran short"))
        if kind in errors
    ]
    figure = base(340)
    for key, name, colour in (
        ("demand_wape", "error against demand", DEMAND),
        ("sales_wape", "error against sales", SALES),
    ):
        figure.add_bar(
            x=names,
            y=[errors[kind][key] for kind in (False, True) if kind in errors],
            name=name,
            marker={"color": colour},
            texttemplate="%{y:.0%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y:.1%}} {name}<extra></extra>",
        )
    figure.update_layout(bargap=0.45, margin={"b": 56})
    figure.update_yaxes(title_text="weighted absolute error (WAPE)", tickformat=".0%")
    return figure


def forecast_wape(weeks: list[Row]) -> dict[bool, Row]:
    """Return the weighted absolute percentage errors by whether the week ran short."""
    totals: dict[bool, Row] = defaultdict(lambda: defaultdict(float))
    for row in weeks:
        for key, value in row.items():
            if key not in ("week_start", "is_constrained"):
                totals[row["is_constrained"]][key] += value
    return {
        kind: {
            "position_weeks": int(total["position_weeks"]),
            "demand_wape": share(total["absolute_demand_error"], total["demand"]),
            "sales_wape": share(total["absolute_sales_error"], total["sales"]),
        }
        for kind, total in totals.items()
    }
