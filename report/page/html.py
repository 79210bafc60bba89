"""The page as HTML: header, headline figures, charts, and the tables below them."""

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs
from run_vars import PRESETS, load, project_vars
from validate import figure_text, range_text

from report.page.learned import learned_rows
from report.page.recent import completeness, days_since
from report.page.sections import sections
from report.page.texts import date, published_text, whole, with_unit
from report.page.tiles import tiles
from report.rows import Answers, Row

# Follows from the other two of the horizon.
REDUNDANT = "end_date"
ENGINES = {"sail": "Sail", "spark": "Apache Spark", "databricks": "Databricks"}
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def render(
    answers: Answers,
    engine: str,
    target: str,
    schema: str,
    found: dict[str, Any] | None = None,
) -> str:
    """Return the page for the answers of all queries and what can be learned, if that was found."""
    variables = {row["variable_name"]: row["variable_value"] for row in answers["variables"]}
    preset, changed = how_built(variables)
    validations, realism = validation_rows(answers["validations"]), answers["realism"]
    on_target = "" if target == "local" else f" TARGET={target}"
    return TEMPLATES.get_template("page.html.jinja").render(
        sections=sections(answers, variables),
        tiles=tiles(answers, variables),
        validations=validations,
        unmeasured=days_since(answers["validations"], answers["closings"]),
        passed=sum(row["is_passed"] for row in validations),
        realism=realism_rows(realism),
        not_measured=sum(row["measured_value"] is None for row in realism),
        in_range=sum(row["is_in_range"] is True for row in realism),
        compared=sum(row["is_in_range"] is not None for row in realism),
        learned=learned_rows(found or {}),
        tables=[{**row, "rows": f"{row['row_count']:,}"} for row in answers["tables"]],
        variables=answers["variables"],
        header=header(answers)
        | {
            "preset": preset,
            "changed": changed,
            "seed": variables["random_seed"],
            "engine": ENGINES.get(engine, engine),
            "target": target,
            "schema": schema,
        },
        command=f"make build PRESET={preset}"
        + (f' VARS="{changed}"' if changed else "")
        + on_target,
        report_command="make report" + on_target,
        plotlyjs=get_plotlyjs(),
    )


def header(answers: Answers) -> dict[str, Any]:
    """Return the facts that stand at the top of the page, as far as the rows tell them."""
    days = answers["days"]
    counts = {row["table_name"]: row["row_count"] for row in answers["tables"]}
    return {
        "window": f"{date(days[0]['calendar_date'])} to {date(days[-1]['calendar_date'])}",
        "days": len(days),
        "complete": completeness(answers["closings"], days),
        "products": f"{counts['gold_product_dim']:,}",
        "locations": f"{counts['gold_location_dim']:,}",
        "inventory_rows": whole(counts["gold_inventory_fact"]),
        "sales_rows": whole(counts["gold_sales_fact"]),
        "all_rows": whole(sum(counts.values())),
        "built": f"{answers['validations'][0]['etl_timestamp']:%Y-%m-%d %H:%M} UTC",
        "version": version("stocktrue"),
        "plotly": version("plotly"),
    }


def how_built(variables: dict[str, str]) -> tuple[str, str]:
    """Return the preset that the tables were built with and the variables that differ from it.

    Args:
        variables: the values in force when the tables were built, as text.

    Returns:
        Name of the preset in presets/ with the fewest differences, and those as text for VARS.
    """
    defaults = project_vars()
    candidates = []
    for path in sorted(PRESETS.glob("*.yml")):
        values = {**defaults, **load(path.read_text())}
        changed = [
            f"{name}: {value}"
            for name, value in sorted(variables.items())
            if name != REDUNDANT and str(values.get(name)) != value
        ]
        candidates.append((len(changed), path.stem != "small", path.stem, changed))
    _, _, preset, changed = min(candidates)
    return preset, ", ".join(changed)


def validation_rows(rows: list[Row]) -> list[Row]:
    """Return the published validations with their figures as texts."""
    shown = partial(figure_text, decimals=4)
    return [
        {
            **row,
            "measured": shown(row["measured_value"]) or "-",
            "expected": range_text(row["expected_min"], row["expected_max"], shown),
        }
        for row in rows
    ]


def realism_rows(rows: list[Row]) -> list[Row]:
    """Return the measured realism metrics with texts and with places on a scale of 0 to 100.

    The scale holds zero, the published ends and ours; a range open at one end reaches its edge.
    """
    shown = []
    for row in rows:
        low, high, ours = row["published_low"], row["published_high"], row["measured_value"]
        if ours is None:
            continue
        known = [value for value in (low, high, ours, 0.0) if value is not None]
        least, width = min(known), 1.1 * (max(known) - min(known)) or 1.0
        if least < 0:
            least, width = least - 0.1 * width, 1.1 * width
        shown.append(
            {
                **row,
                "published": published_text(low, high, row["unit"]),
                "ours": with_unit(ours, row["unit"]),
                "has_range": low is not None or high is not None,
                "low_at": 0 if low is None else 100 * (low - least) / width,
                "high_at": 100 if high is None else 100 * (high - least) / width,
                "ours_at": 100 * (ours - least) / width,
            }
        )
    return shown
