"""How often the shelf is empty: by day, category and location."""

from collections import defaultdict

import plotly.graph_objects as go

from report.figures.days import fit_days, mark_holidays, shade_peak_season
from report.figures.style import LOST, PLAIN, STOCKOUT, add_share_bars, base
from report.rows import Row, share

ONLINE = "Online fulfilment"
LOCATION_SYMBOLS = {"store": "circle", "warehouse": "square", "dc": "diamond"}


def stockouts_by_day(days: list[Row], target: float) -> go.Figure | None:
    """Draw the share of product-locations out of stock each day beside the target."""
    if not days:
        return None
    dates = [day["calendar_date"] for day in days]
    rates = [day["stockout_days"] / day["position_days"] for day in days]
    figure = base(320)
    figure.add_scatter(
        x=dates,
        y=rates,
        customdata=[[day["stockout_days"], day["position_days"]] for day in days],
        name="out of stock",
        line={"color": STOCKOUT, "width": 2},
        hovertemplate="%{y:.2%}: %{customdata[0]:,} of %{customdata[1]:,}<extra></extra>",
    )
    figure.add_scatter(
        x=[dates[0], dates[-1]],
        y=[target, target],
        mode="lines",
        name="target for all days together",
        line={"color": PLAIN, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
    )
    shade_peak_season(figure, days)
    mark_holidays(figure, days)
    fit_days(figure, dates)
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(
        title_text="share out of stock", tickformat=".0%", range=[0, 1.25 * max(*rates, target)]
    )
    return figure


def stockouts_by_category(categories: list[Row]) -> go.Figure | None:
    """Draw stockout rate and lost share of demand of each category."""
    if not categories:
        return None
    ranked = sorted(categories, key=lambda row: row["stockout_days"] / row["position_days"])
    names = [row["category_level_1"].capitalize() for row in ranked]
    figure = base(110 + 38 * len(names))
    for name, colour, part, whole, unit in (
        ("demand lost", LOST, "units_lost", "units_requested", "units"),
        ("out of stock", STOCKOUT, "stockout_days", "position_days", "product-location-days"),
    ):
        hover = f" {name}<br>%{{customdata[0]:,}} of %{{customdata[1]:,}} {unit}"
        add_share_bars(figure, names, ranked, (part, whole), name, colour, hover)
    figure.update_layout(legend={"traceorder": "reversed"}, margin={"l": 100, "r": 48})
    figure.update_xaxes(title_text="share", tickformat=".0%", rangemode="tozero")
    return figure


def stockouts_by_location(locations: list[Row]) -> go.Figure | None:
    """Draw each location's stockout rate: stores by region, online fulfilment at the bottom."""
    if not locations:
        return None
    groups = defaultdict(list)
    for row in locations:
        is_store = row["location_type"] == "store"
        groups[row["region"] if is_store else ONLINE].append(row)
    names = sorted(groups, key=lambda name: (name == ONLINE, name), reverse=True)
    figure = base(110 + 46 * len(names))
    by_type = defaultdict(list)
    for height, name in enumerate(names):
        ranked = sorted(groups[name], key=lambda row: row["stockout_days"] / row["position_days"])
        for at, row in enumerate(ranked):
            # Spread over the height of the group, so that equal rates do not hide each other.
            by_type[row["location_type"]].append((row, height + (at % 5 - 2) * 0.13))
    for location_type in sorted(by_type, key=list(LOCATION_SYMBOLS).index):
        dots = by_type[location_type]
        figure.add_scatter(
            x=[share(row["stockout_days"], row["position_days"]) for row, _ in dots],
            y=[height for _, height in dots],
            customdata=[
                [row["location_name"], share(row["units_lost"], row["units_requested"])]
                for row, _ in dots
            ],
            mode="markers",
            name={"dc": "distribution centre"}.get(location_type, location_type),
            marker={
                "symbol": LOCATION_SYMBOLS[location_type],
                "size": 11,
                "color": "rgba(163, 25, 91, 0.6)",
                "line": {"color": STOCKOUT, "width": 1},
            },
            hovertemplate=(
                "%{customdata[0]}<br>%{x:.2%} out of stock<br>%{customdata[1]:.1%} of demand lost"
                "<extra></extra>"
            ),
        )
    overall = share(
        sum(row["stockout_days"] for row in locations),
        sum(row["position_days"] for row in locations),
    )
    figure.add_vline(x=overall, line={"color": PLAIN, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=overall, y=1, yref="paper", yanchor="bottom", text=f"all {overall:.1%}", showarrow=False
    )
    figure.update_layout(margin={"l": 128})
    figure.update_xaxes(title_text="share of product-days out of stock", tickformat=".0%")
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, showgrid=False)
    figure.update_yaxes(range=[-0.6, len(names) - 0.4])
    return figure
