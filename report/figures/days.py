"""The days of a chart: where its time axis ends, runs of shaded days, holidays by name."""

import datetime
from collections.abc import Sequence
from statistics import median

import plotly.graph_objects as go

from report.figures.style import MUTED, PEAK_SEASON
from report.rows import Row


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
    add_legend_square(figure, colour, name)


def add_legend_square(figure: go.Figure, colour: str, name: str) -> None:
    """Name what is shaded at the end of the legend."""
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": "square", "size": 12, "color": colour},
        name=name,
        legendrank=2000,
    )


def shade_peak_season(figure: go.Figure, days: list[Row], rows: int = 1) -> None:
    """Shade the days of peak season in the upper `rows` plots."""
    peak = [day["calendar_date"] for day in days if day["is_peak_season"]]
    shade(figure, peak, PEAK_SEASON, "peak season", rows)


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
