"""The charts of the report: each function turns rows of its query into a plotly figure.

A colour means the same in every chart, and pairs that meet in one chart stay apart for readers who
see fewer colours. Every function returns None when its rows leave nothing to draw.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import NormalDist, median

import plotly.graph_objects as go
from plotly.subplots import make_subplots

Row = dict

DEMAND = "#24292f"
SALES = "#0072b2"
LOST = "#d55e00"
STOCK = "#4d7ea8"
STOCKOUT = "#a3195b"
RETURNS = "#009e73"
TRIGGERED = "#e69f00"
PLAIN = "#7d8793"
FORECAST = "#7b5ea7"
PEAK_SEASON = "#fbf1dc"
GRID = "#e8ebee"
AXIS = "#c5ccd3"
TEXT = "#24292f"
MUTED = "#57606a"

FONT = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
# Two-sided 95% of the normal distribution.
Z95 = NormalDist().inv_cdf(0.975)


def base(height: int, rows: int = 1, **subplots) -> go.Figure:
    """Return an empty figure in the style of the report, `height` pixels high."""
    figure = make_subplots(rows=rows, **subplots)
    figure.update_layout(
        height=height,
        template="none",
        font={"family": FONT, "size": 13, "color": TEXT},
        margin={"l": 64, "r": 16, "t": 40, "b": 48},
        legend={"orientation": "h", "x": 0, "y": 0.995, "yref": "container", "yanchor": "top"},
        hoverlabel={"bgcolor": "white", "font": {"family": FONT, "size": 12}},
        bargap=0.2,
    )
    title = {"font": {"size": 13}, "standoff": 8}
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=AXIS, title=title)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=AXIS, title=title)
    return figure


def fit_days(figure: go.Figure, dates: Sequence[datetime.date]) -> None:
    """Let the time axes begin with the first day and end with the last."""
    half = datetime.timedelta(hours=12)
    start, end = (datetime.datetime.combine(day, datetime.time()) for day in (dates[0], dates[-1]))
    figure.update_xaxes(range=[start - half, end + half])


def shade(
    figure: go.Figure, days: Sequence[datetime.date], colour: str, name: str, rows: int = 1
) -> None:
    """Shade runs of consecutive `days` in the upper `rows` plots and name them in the legend."""
    if not days:
        return
    one, half = datetime.timedelta(days=1), datetime.timedelta(hours=12)
    present = set(days)
    starts = [day for day in days if day - one not in present]
    ends = [day for day in days if day + one not in present]
    for start, end in zip(starts, ends, strict=True):
        midnights = [datetime.datetime.combine(day, datetime.time()) for day in (start, end)]
        for row in range(1, rows + 1):
            figure.add_vrect(
                x0=midnights[0] - half,
                x1=midnights[1] + half,
                fillcolor=colour,
                line_width=0,
                layer="below",
                row=row,
                col=1,
            )
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": "square", "size": 12, "color": colour},
        name=name,
        legendrank=2000,
    )


def peak_days(days: list[Row]) -> list[datetime.date]:
    """Return the days of peak season."""
    return [day["calendar_date"] for day in days if day["is_peak_season"]]


def marked_holidays(days: list[Row]) -> list[Row]:
    """Return the days to name: each Black Friday, and holidays with the top demand of 11 days."""
    usual = median(day["units_requested"] for day in days)
    marked = []
    for at, day in enumerate(days):
        around = days[max(0, at - 5) : at + 6]
        top = max(each["units_requested"] for each in around)
        is_top = day["units_requested"] == top > 1.3 * usual
        if day["holiday_name"] == "Black Friday" or (day["holiday_name"] and is_top):
            marked.append(day)
    return marked


def mark_holidays(figure: go.Figure, days: list[Row]) -> None:
    """Draw a line through the marked holidays of the upper plot, with their names at its top."""
    last, level = None, 0
    for day in marked_holidays(days):
        date = day["calendar_date"]
        # The name of a holiday soon after another one goes below it, three deep at most.
        level = (level + 1) % 3 if last and (date - last).days < len(days) / 3 else 0
        last = date
        is_late = (date - days[0]["calendar_date"]).days > 0.8 * len(days)
        figure.add_vline(
            x=datetime.datetime.combine(date, datetime.time()),
            line={"color": MUTED, "width": 1, "dash": "dot"},
            row=1,
            col=1,
        )
        figure.add_annotation(
            x=date,
            y=1 - 0.085 * level,
            yref="y domain",
            yanchor="top",
            xanchor="right" if is_late else "left",
            xshift=-3 if is_late else 3,
            text=day["holiday_name"],
            showarrow=False,
            font={"size": 12, "color": MUTED},
        )


def inventory(days: list[Row]) -> go.Figure | None:
    """Draw one position's stock with receipts and stockouts, above its sales, losses and returns.

    Args:
        days: rows of report_inventory of one example, by day.
    """
    if not days:
        return None
    dates = [day["calendar_date"] for day in days]
    figure = base(380, 2, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.07)
    figure.add_scatter(
        x=dates,
        y=[day["quantity_available"] for day in days],
        customdata=[day["quantity_in_transit"] for day in days],
        name="available units",
        line={"color": STOCK, "width": 2, "shape": "hvh"},
        hovertemplate="%{y:,} available, %{customdata:,} on order<extra></extra>",
        row=1,
        col=1,
    )
    receipts = [day for day in days if day["units_received"]]
    figure.add_scatter(
        x=[day["calendar_date"] for day in receipts],
        y=[day["quantity_available"] for day in receipts],
        customdata=[day["units_received"] for day in receipts],
        name="delivery",
        mode="markers",
        marker={"symbol": "triangle-up", "size": 10, "color": STOCK},
        hovertemplate="%{customdata:,} received<extra></extra>",
        row=1,
        col=1,
    )
    for key, name, colour, sign in (
        ("units_sold", "sold", SALES, 1),
        ("units_lost", "lost", LOST, 1),
        ("units_returned", "returned to the shelf", RETURNS, -1),
    ):
        figure.add_bar(
            x=dates,
            y=[sign * day[key] for day in days],
            customdata=[day[key] for day in days],
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{customdata:,}} {name}<extra></extra>",
            row=2,
            col=1,
        )
    shade(
        figure,
        [day["calendar_date"] for day in days if day["is_stockout"]],
        "rgba(163, 25, 91, 0.16)",
        "nothing available",
    )
    fit_days(figure, dates)
    figure.update_layout(barmode="relative", hovermode="x unified", bargap=0.1)
    figure.update_yaxes(title_text="units", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="units a day", row=2, col=1)
    return figure


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
    shade(figure, peak_days(days), PEAK_SEASON, "peak season")
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
        figure.add_bar(
            y=names,
            x=[share(row[part], row[whole]) for row in ranked],
            customdata=[[row[part], row[whole]] for row in ranked],
            name=name,
            orientation="h",
            marker={"color": colour},
            texttemplate="%{x:.1%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate=(
                f"%{{y}}: %{{x:.2%}} {name}<br>%{{customdata[0]:,}} of %{{customdata[1]:,}} {unit}"
                "<extra></extra>"
            ),
        )
    figure.update_layout(legend={"traceorder": "reversed"}, margin={"l": 100, "r": 48})
    figure.update_xaxes(title_text="share", tickformat=".0%", rangemode="tozero")
    return figure


ONLINE = "Online fulfilment"
LOCATION_SYMBOLS = {"store": "circle", "warehouse": "square", "dc": "diamond"}


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


def demand(days: list[Row]) -> go.Figure | None:
    """Draw demand split into sold and lost, above the share that is lost."""
    if not any(day["units_requested"] for day in days):
        return None
    dates = [day["calendar_date"] for day in days]
    wanted = [day["units_requested"] for day in days]
    figure = base(460, 2, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    for key, name, colour in (("units_sold", "sold", SALES), ("units_lost", "lost", LOST)):
        figure.add_bar(
            x=dates,
            y=[day[key] for day in days],
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"%{{y:,}} {name}<extra></extra>",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=dates,
        y=wanted,
        name="demand",
        mode="lines",
        line={"color": DEMAND, "width": 1.5, "shape": "hvh"},
        hovertemplate="%{y:,} wanted<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=dates,
        y=[share(day["units_lost"], day["units_requested"]) for day in days],
        name="lost share",
        showlegend=False,
        mode="lines",
        line={"color": LOST, "width": 2},
        hovertemplate="%{y:.1%} of demand lost<extra></extra>",
        row=2,
        col=1,
    )
    shade(figure, peak_days(days), PEAK_SEASON, "peak season", rows=2)
    mark_holidays(figure, days)
    fit_days(figure, dates)
    figure.update_layout(barmode="stack", hovermode="x unified", bargap=0)
    figure.update_layout(legend={"traceorder": "normal"})
    figure.update_yaxes(title_text="units a day", range=[0, 1.15 * max(wanted)], row=1, col=1)
    figure.update_yaxes(title_text="lost share", tickformat=".0%", rangemode="tozero", row=2, col=1)
    return figure


def abandonment(segments: list[Row], increase: float) -> go.Figure | None:
    """Draw each segment's abandonment rate with and without a trigger, and the difference.

    Args:
        segments: rows of report_abandonment.
        increase: what a trigger adds to the rate, as built.
    """
    pairs = compared_segments(segments)
    if not pairs:
        return None
    figure = base(
        130 + 44 * len(pairs),
        1,
        cols=2,
        shared_yaxes=True,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.05,
    )
    names = [pair["segment"] for pair in pairs]
    for key, name, colour in (
        ("plain", "stock not low", PLAIN),
        ("triggered", "stock low or capacity exceeded (triggered)", TRIGGERED),
    ):
        rates = [pair[key] for pair in pairs]
        figure.add_scatter(
            x=[rate["rate"] for rate in rates],
            y=names,
            customdata=[
                [rate["abandoned"], rate["carts"], rate["low"], rate["high"]] for rate in rates
            ],
            error_x=asymmetric([(r["rate"], r["low"], r["high"]) for r in rates], colour),
            mode="markers",
            name=name,
            marker={"color": colour, "size": 10},
            hovertemplate=(
                "%{y}: %{x:.1%} abandoned (95%: %{customdata[2]:.1%} to %{customdata[3]:.1%})"
                "<br>%{customdata[0]:,} of %{customdata[1]:,} carts<extra></extra>"
            ),
            row=1,
            col=1,
        )
    rises = [[100 * pair[key] for key in ("rise", "rise_low", "rise_high")] for pair in pairs]
    figure.add_scatter(
        x=[points[0] for points in rises],
        y=names,
        customdata=[points[1:] for points in rises],
        error_x=asymmetric(rises, TRIGGERED),
        mode="markers",
        showlegend=False,
        marker={"color": TRIGGERED, "size": 10, "symbol": "diamond"},
        hovertemplate=(
            "%{y}: %{x:.1f} points more (95%: %{customdata[0]:.1f} to %{customdata[1]:.1f})"
            "<extra></extra>"
        ),
        row=1,
        col=2,
    )
    figure.add_vline(
        x=100 * increase, line={"color": DEMAND, "width": 1.5, "dash": "dash"}, row=1, col=2
    )
    figure.add_annotation(
        x=100 * increase,
        y=1,
        yref="y2 domain",
        yanchor="bottom",
        text=f"as set: +{100 * increase:g} points",
        showarrow=False,
        row=1,
        col=2,
    )
    figure.update_layout(margin={"l": 84, "t": 58})
    figure.update_xaxes(title_text="share of carts abandoned", tickformat=".0%", row=1, col=1)
    figure.update_xaxes(title_text="percentage points more when triggered", row=1, col=2)
    return figure


def compared_segments(segments: list[Row]) -> list[Row]:
    """Return rates, rise and 95% intervals of the segments that have carts of both kinds."""
    counts = defaultdict(dict)
    for row in segments:
        counts[row["segment"]][row["is_triggered"]] = row
    pairs = []
    for segment, kinds in sorted(counts.items(), reverse=True):
        if len(kinds) < 2:
            continue
        plain, triggered = (
            wilson(kinds[kind]["abandoned_carts"], kinds[kind]["carts"]) for kind in (False, True)
        )
        rise = triggered["rate"] - plain["rate"]
        # Newcombe's interval of a difference, from those of the two rates (1998, method 10).
        below = (triggered["rate"] - triggered["low"]) ** 2 + (plain["high"] - plain["rate"]) ** 2
        above = (triggered["high"] - triggered["rate"]) ** 2 + (plain["rate"] - plain["low"]) ** 2
        pairs.append(
            {
                "segment": segment,
                "plain": plain,
                "triggered": triggered,
                "rise": rise,
                "rise_low": rise - below**0.5,
                "rise_high": rise + above**0.5,
            }
        )
    return pairs


def wilson(successes: int, trials: int) -> Row:
    """Return a share with its 95% interval (Wilson score)."""
    rate = successes / trials
    spread = Z95**2 / trials
    middle = (rate + spread / 2) / (1 + spread)
    reach = Z95 * (rate * (1 - rate) / trials + spread / (4 * trials)) ** 0.5 / (1 + spread)
    bounds = {"low": middle - reach, "high": middle + reach}
    return {"rate": rate, "abandoned": successes, "carts": trials, **bounds}


def asymmetric(intervals: Iterable[tuple[float, float, float]], colour: str) -> Row:
    """Return plotly's error bars of (value, low, high)."""
    intervals = list(intervals)
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, _, high in intervals],
        "arrayminus": [value - low for value, low, _ in intervals],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }


DEVICES = {"desktop": "#20558a", "mobile": "#5b9bd5", "tablet": "#b3cde8"}
STAGES = (
    ("visits", "visit"),
    ("product_visits", "saw a product"),
    ("cart_visits", "filled a cart"),
    ("checkout_visits", "started checkout"),
    ("order_visits", "ordered"),
)


def funnel(devices: list[Row]) -> go.Figure | None:
    """Draw the share of each device's visits that gets as far as each stage."""
    if not devices:
        return None
    figure = base(380)
    for row in devices:
        counts = [row[key] for key, _ in STAGES]
        figure.add_bar(
            x=[name for _, name in STAGES],
            y=[count / row["visits"] for count in counts],
            customdata=counts,
            name=f"{row['device_type']} ({row['visits']:,} visits)",
            marker={"color": DEVICES.get(row["device_type"], PLAIN)},
            text=[short_percent(count / row["visits"]) for count in counts],
            textposition="outside",
            textfont={"size": 12},
            textangle=0,
            cliponaxis=False,
            hovertemplate="%{y:.2%}: %{customdata:,} visits<extra></extra>",
        )
    figure.update_yaxes(title_text="share of visits", tickformat=".0%", range=[0, 1.08])
    return figure


STORE = "#00543d"


def returns_by_channel(channels: list[Row]) -> go.Figure | None:
    """Draw the share of each channel's lines that came back."""
    sold = [row for row in channels if row["sale_lines"]]
    if not sold:
        return None
    figure = base(100 + 30 * len(sold))
    for is_digital, name, colour in ((True, "online", RETURNS), (False, "store", STORE)):
        rows = [row for row in sold if row["is_digital"] == is_digital]
        rows.sort(key=lambda row: row["return_lines"] / row["sale_lines"])
        figure.add_bar(
            y=[row["channel_name"] for row in rows],
            x=[row["return_lines"] / row["sale_lines"] for row in rows],
            customdata=[[row["return_lines"], row["sale_lines"]] for row in rows],
            name=name,
            orientation="h",
            marker={"color": colour},
            texttemplate="%{x:.1%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate=(
                "%{y}: %{x:.2%}, %{customdata[0]:,} of %{customdata[1]:,} lines<extra></extra>"
            ),
        )
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
        (False, "store", STORE, "dot"),
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
    totals = defaultdict(int)
    by_reason = defaultdict(int)
    for row in reasons:
        totals[row["is_digital"]] += row["return_lines"]
        by_reason[row["return_reason"]] += row["return_lines"]
    order = sorted(by_reason, key=lambda reason: (by_reason[reason], reason))
    figure = base(100 + 34 * len(order))
    for is_digital, name, colour in ((False, "store", STORE), (True, "online", RETURNS)):
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
    totals = defaultdict(lambda: defaultdict(float))
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


def share(part: float, whole: float) -> float | None:
    """Return part / whole, or None of nothing."""
    return part / whole if whole else None


def short_percent(value: float) -> str:
    """Return a share as a percentage with two digits or three."""
    return f"{100 * value:.{0 if value >= 0.1 else 1}f}%"


def words(name: str) -> str:
    """Return a name with underscores as words."""
    return name.replace("_", " ")
