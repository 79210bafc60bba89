"""What comes back: from which channel, how soon, and why."""

from collections import Counter

import plotly.graph_objects as go

from report.figures.style import RETURNS, RETURNS_IN_STORES, add_share_bars, base
from report.rows import Row, words


def returns_by_channel(channels: list[Row]) -> go.Figure | None:
    """Draw the share of each channel's lines that came back."""
    sold = [row for row in channels if row["sale_lines"]]
    if not sold:
        return None
    figure = base(100 + 30 * len(sold))
    for is_digital, name, colour in (
        (True, "online", RETURNS),
        (False, "store", RETURNS_IN_STORES),
    ):
        rows = [row for row in sold if row["is_digital"] == is_digital]
        rows.sort(key=lambda row: row["return_lines"] / row["sale_lines"])
        channel_names = [row["channel_name"] for row in rows]
        hover = ", %{customdata[0]:,} of %{customdata[1]:,} lines"
        columns = ("return_lines", "sale_lines")
        add_share_bars(figure, channel_names, rows, columns, name, colour, hover)
    figure.update_layout(margin={"l": 96, "r": 48})
    figure.update_xaxes(title_text="returned lines per sold line", tickformat=".0%")
    return figure


def return_lags(lags: list[Row]) -> go.Figure | None:
    """Draw how the returned lines spread over the days since the sale."""
    if not lags:
        return None
    figure = base(330)
    for is_digital, name, colour, dash in (
        (True, "online", RETURNS, "solid"),
        (False, "store", RETURNS_IN_STORES, "dot"),
    ):
        rows = [row for row in lags if row["is_digital"] == is_digital]
        if not rows:
            continue
        total = sum(row["return_lines"] for row in rows)
        figure.add_scatter(
            x=[row["lag_days"] for row in rows],
            y=[row["return_lines"] / total for row in rows],
            customdata=[row["return_lines"] for row in rows],
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"{name}: %{{y:.1%}}, %{{customdata:,}} lines<extra></extra>",
        )
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title_text="days from sale to return", rangemode="tozero")
    figure.update_yaxes(title_text="share of returns", tickformat=".0%", rangemode="tozero")
    return figure


def return_reasons(reasons: list[Row]) -> go.Figure | None:
    """Draw the share of each return reason."""
    if not reasons:
        return None
    totals: Counter[bool] = Counter()
    by_reason: Counter[str] = Counter()
    for row in reasons:
        totals[row["is_digital"]] += row["return_lines"]
        by_reason[row["return_reason"]] += row["return_lines"]
    order = sorted(by_reason, key=lambda reason: (by_reason[reason], reason))
    figure = base(100 + 34 * len(order))
    for is_digital, name, colour in (
        (False, "store", RETURNS_IN_STORES),
        (True, "online", RETURNS),
    ):
        rows = {row["return_reason"]: row for row in reasons if row["is_digital"] == is_digital}
        found = [reason for reason in order if reason in rows]
        figure.add_bar(
            y=[words(reason) for reason in found],
            x=[rows[reason]["return_lines"] / totals[is_digital] for reason in found],
            customdata=[rows[reason]["return_lines"] for reason in found],
            name=name,
            orientation="h",
            marker={"color": colour},
            hovertemplate=f"%{{y}}, {name}: %{{x:.1%}}, %{{customdata:,}} lines<extra></extra>",
        )
    figure.update_layout(margin={"l": 128}, legend={"traceorder": "reversed"})
    figure.update_xaxes(title_text="share of returned lines", tickformat=".0%")
    return figure
