"""The newest days, and which of them were appended together."""

import datetime

import plotly.graph_objects as go

from report.figures.days import add_legend_square, fit_days, mark_holidays
from report.figures.style import APPENDED, LOST, SALES, base
from report.rows import Row

SHOWN_DAYS = 28


def recent_days(days: list[Row], closings: list[Row]) -> go.Figure | None:
    """Draw what was sold and lost in the last four weeks, on a band for what each closing appended.

    Args:
        days: rows of report_days that are complete, by day.
        closings: rows of report_closings, by day.
    """
    shown = days[-SHOWN_DAYS:]
    if not any(day["units_requested"] for day in shown):
        return None
    dates = [day["calendar_date"] for day in shown]
    figure = base(320)
    for key, name, colour in (("units_sold", "sold", SALES), ("units_lost", "lost", LOST)):
        figure.add_bar(
            x=dates,
            y=[day[key] for day in shown],
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{y:,}} {name}<extra></extra>",
        )
    mark_closings(figure, dates[0], closings)
    mark_holidays(figure, shown)
    fit_days(figure, dates)
    figure.update_layout(barmode="stack", hovermode="x unified", legend={"traceorder": "normal"})
    most = max(day["units_requested"] for day in shown)
    figure.update_yaxes(title_text="units a day", range=[0, 1.25 * most])
    return figure


def mark_closings(figure: go.Figure, first_day: datetime.date, closings: list[Row]) -> None:
    """Shade the days that each closing but the first added, from `first_day` on, and say so."""
    noon = datetime.time(12)
    start = datetime.datetime.combine(first_day - datetime.timedelta(days=1), noon)
    bands = 0
    for closing in closings[1:]:
        end = datetime.datetime.combine(closing["last_closed_date"], noon)
        if end > start:
            begin = end - datetime.timedelta(days=closing["days_added"])
            figure.add_vrect(
                x0=max(begin, start),
                x1=end,
                fillcolor=APPENDED,
                line={"color": "white", "width": 2},
                layer="below",
            )
            bands += 1
    if bands:
        add_legend_square(figure, APPENDED, "appended, a band for each closing")
