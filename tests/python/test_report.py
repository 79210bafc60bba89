"""make report: one page from the built tables, in which a browser draws every chart."""

import datetime
import json
import os
import re
import shutil
from collections import Counter
from html.parser import HTMLParser

import forks
import pytest
import yaml
from support import ROOT, SCHEMA
from test_contracts import PUBLISHED
from warehouse_query import open_warehouse

from report.__main__ import QUERIES, Progress, ask
from report.figures.abandonment import compared_segments, wilson
from report.figures.days import marked_holidays
from report.figures.recent import recent_days
from report.page.html import how_built, realism_rows, render
from report.page.learned import found_of, learned_rows
from report.page.recent import compared, completeness, days_since, whole_days

CHARTS = {
    "recent-days",
    "inventory-store",
    "inventory-stockout",
    "inventory-online",
    "demand-by-day",
    "stockouts-by-day",
    "stockouts-by-category",
    "stockouts-by-location",
    "abandonment",
    "forecast-weeks",
    "forecast-errors",
    "returns-by-channel",
    "return-lags",
    "return-reasons",
    "funnel",
}
VOID = {"meta", "link", "img", "br", "hr", "input", "source"}


class Outline(HTMLParser):
    """Collects resources, chart sources, and what is drawn inside each chart of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.resources, self.sources, self.drawn, self.text = [], {}, {}, []
        self._open = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        self.resources += [
            value
            for name, value in attrs
            if (name == "src" or (name == "href" and tag != "a") or name.endswith(":href"))
            and not value.startswith(("#", "data:"))
        ]
        if tag not in VOID:
            self._open.append((tag, given, classes, self.getpos()))
        if tag == "div" and "chart" in classes and "js-plotly-plot" in classes:
            self.drawn[given["id"].removeprefix("chart-")] = set()
        if tag == "path" and (given.get("d") or "M0,0Z") != "M0,0Z":
            self._add_drawn()

    def _add_drawn(self):
        """Note the chart and the trace that a drawn line, mark or bar is in, if it is in any."""
        charts = [each["id"] for _, each, classes, _ in self._open if "js-plotly-plot" in classes]
        traces = [at for *_, classes, at in self._open if "trace" in classes]
        if charts and traces:
            self.drawn[charts[0].removeprefix("chart-")].add(traces[0])

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, given = self._open[-1][:2] if self._open else ("", {})
        if "data-chart" in given:
            self.sources[given["data-chart"].removeprefix("chart-")] = json.loads(data)
        elif tag not in ("script", "style"):
            self.text.append(data)


def make_report(warehouse, output, **env):
    return forks.run(
        *("report", "--output", output),
        cwd=ROOT,
        env=os.environ | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA} | env,
    )


@pytest.fixture(scope="module")
def page(tiny_world, tmp_path_factory):
    """Return the file of the report on the tiny world."""
    output = tmp_path_factory.mktemp("report") / "folder" / "report.html"
    done = make_report(tiny_world.warehouse, output)
    assert done.returncode == 0, done.stderr
    assert str(output) in done.stdout.splitlines()[-1]
    return output


@pytest.fixture(scope="module")
def asked(tiny_world):
    """Return the tables that the queries read, and the answers on the tiny world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKTRUE_WAREHOUSE", str(tiny_world.warehouse))
        patch.setenv("STOCKTRUE_SCHEMA", SCHEMA)
        with open_warehouse("local", QUERIES) as warehouse:
            return warehouse.tables_read(), ask(warehouse, Progress())


@pytest.fixture(scope="module")
def answers(asked):
    """Return the answers of the report's queries on the tiny world."""
    return asked[1]


def test_browser_draws_every_chart_without_network_or_error(page, browser):
    written = Outline(page.read_text())
    assert written.resources == []
    assert not re.search(
        r"@import|url\(", re.search(r"<style>.*?</style>", page.read_text(), re.S)[0]
    )
    assert set(written.sources) == CHARTS

    loaded = browser.load(page)
    assert loaded.console == []
    assert loaded.requests == []
    drawn = Outline(loaded.dom).drawn
    assert set(drawn) == CHARTS
    for name, source in written.sources.items():
        with_values = 0
        for trace in source["data"]:
            values = trace["x" if trace.get("orientation") == "h" else "y"]
            with_values += any(value not in (None, 0) for value in values)
        assert with_values > 0, name
        assert len(drawn[name]) >= with_values, name


def test_chart_that_is_not_drawn_is_noticed(page, browser, tmp_path):
    """The check above can fail: without its data in one chart, and with plotly.js cut off."""
    broken = tmp_path / "broken.html"
    broken.write_text(re.sub(r'"y":\[[^]]*\]', '"y":[]', page.read_text()))
    assert not any(Outline(browser.load(broken).dom).drawn["funnel"])
    broken.write_text(page.read_text().replace("Plotly.newPlot", "Plotly.noPlot"))
    loaded = browser.load(broken)
    assert any("noPlot" in line for line in loaded.console)
    assert Outline(loaded.dom).drawn == {}


def test_page_prints_on_a_few_pages_without_cutting_a_chart(page, browser, tmp_path):
    """Charts that may be cut in two at the end of a page fill fewer pages than whole ones."""

    def printed(name, html):
        (tmp_path / f"{name}.html").write_text(html)
        browser.print(tmp_path / f"{name}.html", tmp_path / f"{name}.pdf")
        return (tmp_path / f"{name}.pdf").read_bytes().count(b"/Type /Page\n")

    whole = printed("whole", page.read_text())
    cut = printed("cut", page.read_text().replace("break-inside: avoid", "break-inside: auto"))
    assert 10 <= cut < whole <= 20


def test_page_tells_what_was_built(page):
    text = re.sub(r"\s+", " ", " ".join(Outline(page.read_text()).text))
    assert "17 November 2025 to 3 January 2026 (48 days)" in text
    assert "make build PRESET=tiny" in text
    assert "Inventory rows 14,400" in text
    assert "Complete to 3 January 2026, the day up to which it was built" in text
    assert re.search(r"(\d+) of \1 published validations passed", text)


def test_tables_of_the_page_are_the_published_ones(answers):
    published = {table for table in PUBLISHED if table.startswith("gold_")}
    assert {row["table_name"] for row in answers["tables"]} == published
    assert all(row["row_count"] > 0 for row in answers["tables"])


def test_exposure_names_the_public_tables_that_the_page_reads(asked):
    (exposure,) = yaml.safe_load((ROOT / "models" / "exposures.yml").read_text())["exposures"]
    named = [re.fullmatch(r"ref\('(\w+)'\)", each)[1] for each in exposure["depends_on"]]
    # dbt lets an exposure name public models only.
    assert named == [table for table in asked[0] if not table.startswith("int_")]


def test_figures_beside_published_ones_are_placed_on_a_scale():
    inside = {"unit": "share", "published_low": 0.1, "published_high": 0.2, "measured_value": 0.15}
    below = {"unit": "ratio", "published_low": -2.8, "published_high": -2.2, "measured_value": -3.0}
    at_most = {"unit": "USD", "published_low": None, "published_high": 9.0, "measured_value": 8.0}
    unheard = {"unit": "days", "published_low": None, "published_high": None, "measured_value": 3.0}
    turns = {"unit": "per year", "published_low": 3.1, "published_high": 4.5, "measured_value": 4.0}
    absent = {**inside, "measured_value": None}
    shown = realism_rows([inside, below, at_most, unheard, turns, absent])
    assert [row["published"] for row in shown] == [
        "10% to 20%",
        "-2.8 to -2.2",
        "at most $9",
        "-",
        "3.1 to 4.5 a year",
    ]
    assert [row["ours"] for row in shown] == ["15%", "-3", "$8", "3 days", "4 a year"]
    assert 0 < shown[0]["low_at"] < shown[0]["ours_at"] < shown[0]["high_at"] < 100
    assert 0 < shown[1]["ours_at"] < shown[1]["low_at"] < shown[1]["high_at"] < 100
    assert 0 == shown[2]["low_at"] < shown[2]["ours_at"] < shown[2]["high_at"] < 100
    assert [row["has_range"] for row in shown] == [True, True, True, False, True]


def test_days_and_locations_add_up_to_the_facts(answers, tiny_world):
    lost = sum(tiny_world.table("gold_lost_sales_fact")["quantity_lost"].to_pylist())
    empty = sum(tiny_world.table("gold_inventory_fact")["is_stockout"].to_pylist())
    for name in ("days", "stockouts_by_category", "stockouts_by_location"):
        assert sum(row["units_lost"] for row in answers[name]) == lost
        assert sum(row["stockout_days"] for row in answers[name]) == empty


def test_days_have_the_carts_and_deliveries_of_the_facts(answers, tiny_world):
    carts = [
        cart
        for cart in tiny_world.table("gold_cart_fact").to_pylist()
        if cart["is_digital"] and cart["recovered_from_cart_id"] is None
    ]
    receipts = tiny_world.table("gold_inventory_movement_fact").to_pylist()
    for day in answers["days"]:
        key = int(f"{day['calendar_date']:%Y%m%d}")
        of_day = [cart["is_abandoned"] for cart in carts if cart["date_key"] == key]
        assert (day["carts"], day["abandoned_carts"]) == (len(of_day), sum(of_day))
        assert day["units_received"] == sum(
            each["quantity"]
            for each in receipts
            if each["date_key"] == key and each["movement_type"] == "receipt"
        )


def test_examples_show_a_stockout_and_all_days(answers, tiny_world):
    examples = {}
    for row in answers["inventory"]:
        examples.setdefault(row["example"], []).append(row)
    assert set(examples) == {"store", "stockout", "online"}
    # Those on which the position is ranged.
    product, place = (
        {row[f"{name}_key"]: row[shown] for row in tiny_world.table(f"gold_{name}_dim").to_pylist()}
        for name, shown in (("product", "product_id"), ("location", "location_name"))
    )
    ranged = Counter(
        (product[row["product_key"]], place[row["location_key"]])
        for row in tiny_world.table("gold_inventory_fact").to_pylist()
    )
    for days in examples.values():
        assert len(days) == ranged[days[0]["product_id"], days[0]["location_name"]]
    assert any(day["is_stockout"] for day in examples["stockout"])
    assert all(
        day["is_stockout"] == (day["quantity_available"] == 0) for day in answers["inventory"]
    )


def test_world_without_carts_returns_and_stockouts_has_a_page(answers):
    quiet = dict(answers)
    for name in ("inventory", "abandonment", "funnel", "forecast", "return_lags", "return_reasons"):
        quiet[name] = []
    quiet["returns_by_channel"] = []
    quiet["days"] = [
        {**day, "units_requested": 0, "units_sold": 0, "units_lost": 0, "stockout_days": 0}
        for day in answers["days"]
    ]
    quiet["validations"] = [
        {**row, "measured_value": None, "expected_min": None, "expected_max": None}
        for row in answers["validations"]
    ]
    html = render(quiet, "sail", "local", SCHEMA)
    assert html.count("These tables have no rows for this chart.") == 9
    assert set(Outline(html).sources) == {
        "stockouts-by-day",
        "stockouts-by-category",
        "stockouts-by-location",
    }


def closed(last, days_added, at="2025-12-31 06:00"):
    """Return a row of the table world, written `at` a time."""
    return {
        "last_closed_date": datetime.date.fromisoformat(last),
        "days_added": days_added,
        "etl_timestamp": datetime.datetime.fromisoformat(at),
    }


def made_days(number, **figures):
    """Return rows of report_days from 1 December 2025 on; figures: of each day, of its number."""
    counted = ("position_days", "stockout_days", "units_requested", "units_sold", "units_lost")
    counted += ("units_returned", "gross_revenue", "carts", "abandoned_carts", "units_received")
    return [
        {
            "calendar_date": datetime.date(2025, 12, 1) + datetime.timedelta(days=at),
            "holiday_name": None,
            **dict.fromkeys(counted, 0),
            **{name: of_day(at) for name, of_day in figures.items()},
        }
        for at in range(number)
    ]


@pytest.mark.parametrize(
    ("closings", "text"),
    [
        ([], "unknown: the table world is not there"),
        ([closed("2025-12-10", 10)], "10 December 2025, the day up to which it was built"),
        (
            [closed("2025-12-08", 8), closed("2025-12-10", 2)],
            "10 December 2025: built with 8 days, 2 days appended in 1 closing",
        ),
        (
            [closed("2025-12-05", 5), closed("2025-12-06", 1), closed("2025-12-07", 1)],
            "7 December 2025: built with 5 days, 2 days appended in 2 closings; the days after it "
            "are not complete",
        ),
    ],
)
def test_head_tells_how_far_the_world_is_complete(closings, text):
    assert completeness(closings, made_days(10)) == text


def test_validations_older_than_the_newest_days_say_so(answers):
    """They are measured by a build or when asked for, not with each append."""
    measured = answers["validations"][0]["etl_timestamp"]
    later = [f"{measured + datetime.timedelta(minutes=n)}" for n in (1, 2, 3)]
    one, two = (closed("2025-12-31", 44, later[0]), closed("2026-01-01", 1, later[1]))
    three = closed("2026-01-02", 1, later[2])
    assert days_since(answers["validations"], []) == 0
    # A build writes the two in either order.
    assert days_since(answers["validations"], [one]) == 0
    assert days_since(answers["validations"], [one, two, three]) == 2
    assert days_since(answers["validations"], [one, {**two, "etl_timestamp": measured}, three]) == 1
    html = render({**answers, "closings": [one, two]}, "sail", "local", SCHEMA)
    assert "measured before 1 day was appended" in re.sub(r"\s+", " ", html)
    assert "measured before" not in render(answers, "sail", "local", SCHEMA)


def test_last_week_is_compared_with_the_whole_by_day():
    """Ten days of 100 units, of which the last seven sell one half more; the newest is not done."""
    days = made_days(
        11,
        units_sold=lambda at: 100 if at < 3 else 150,
        position_days=lambda at: 50,
        stockout_days=lambda at: 5 if at < 3 else 10,
        carts=lambda at: 20,
    )
    rows = {
        row.name: (row.week, row.whole, row.change)
        for row in compared(whole_days(days, [closed("2025-12-10", 10)]))
    }
    assert rows["units sold"] == ("150", "135", "+11%")
    assert rows["product-locations out of stock"] == ("20.0%", "17.0%", "+3.0 points")
    assert rows["first digital carts"] == ("20", "20", "+0%")
    assert rows["of these abandoned"] == ("0.0%", "0.0%", "+0.0 points")
    assert rows["units received"] == ("0", "0", "-")


def test_all_days_are_shown_where_no_closing_is_of_them():
    """A build that is killed leaves the table world of the one before it, of whatever window."""
    days = made_days(10)
    assert len(whole_days(days, [closed("2025-12-08", 8)])) == 8
    assert whole_days(days, [closed("2025-11-30", 90)]) == days
    assert whole_days(days, []) == days


def test_each_closing_is_a_band_of_its_days():
    closings = [closed("2025-12-25", 25), closed("2025-12-26", 1), closed("2026-01-02", 7)]
    days = made_days(33, units_requested=lambda at: 9, units_sold=lambda at: 9)
    figure = recent_days(days, closings)
    assert [
        (shape.x0.isoformat(" ", "hours"), shape.x1.isoformat(" ", "hours"))
        for shape in figure.layout.shapes
    ] == [
        ("2025-12-25 12", "2025-12-26 12"),
        ("2025-12-26 12", "2026-01-02 12"),
    ]
    assert len(figure.data[0].x) == 28
    assert recent_days(made_days(33), closings) is None
    # What was appended before the days of the chart has no band, and a long closing ends with them.
    longer = [closed("2025-12-02", 2), closed("2025-12-03", 1), closed("2026-01-02", 30)]
    (band,) = recent_days(days, longer).layout.shapes
    assert band.x0.isoformat(" ", "hours") == "2025-12-05 12"


def test_tables_without_the_table_world_have_a_page(tiny_world, tmp_path):
    """Those of an older build, or of one that a failing test has ended before its last table."""
    shutil.copytree(tiny_world.warehouse, tmp_path / "warehouse")
    shutil.rmtree(tmp_path / "warehouse" / SCHEMA / "world")
    done = make_report(tmp_path / "warehouse", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "report.html").read_text()
    assert "unknown: the table world is not there" in html
    assert "recent-days" in Outline(html).sources


def test_missing_tables_are_told_in_one_line(tmp_path):
    done = make_report(tmp_path / "none", tmp_path / "report.html")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("report: no ")
    assert line.endswith("run make build first")
    assert not (tmp_path / "report.html").exists()


def test_preset_and_changed_variables_are_found(answers):
    built = {row["variable_name"]: row["variable_value"] for row in answers["variables"]}
    assert how_built(built) == ("tiny", "")
    changed = {**built, "num_products": "70", "return_delay_days": "[2, 4]"}
    assert how_built(changed) == ("tiny", "num_products: 70, return_delay_days: [2, 4]")
    grown = {**built, "date_range_days": "52", "end_date": "2026-01-07"}
    assert how_built(grown) == ("tiny", "date_range_days: 52")


def test_intervals_are_the_published_ones():
    """Wilson's and Newcombe's own examples (Newcombe 1998, Statistics in Medicine 17, table II)."""
    rate = wilson(81, 263)
    assert (rate["low"], rate["high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    (pair,) = compared_segments(
        [
            {"segment": "a", "is_triggered": True, "carts": 70, "abandoned_carts": 56},
            {"segment": "a", "is_triggered": False, "carts": 80, "abandoned_carts": 48},
            {"segment": "b", "is_triggered": False, "carts": 80, "abandoned_carts": 48},
        ]
    )
    bounds = (pair["rise"], pair["rise_low"], pair["rise_high"])
    assert bounds == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_black_friday_and_peaks_on_holidays_are_marked():
    start = datetime.date(2025, 11, 1)
    names = {5: "Quiet Day", 15: "Black Friday", 18: "Cyber Monday", 50: "Boxing Day"}
    wanted = {15: 180, 18: 200, 50: 300}
    days = [
        {
            "calendar_date": start + datetime.timedelta(days=at),
            "units_requested": wanted.get(at, 100),
            "holiday_name": names.get(at),
        }
        for at in range(60)
    ]
    marked = [day["holiday_name"] for day in marked_holidays(days)]
    assert marked == ["Black Friday", "Cyber Monday", "Boxing Day"]


LEARNED = {
    "forecast": {"one_week_ahead": {"flat_mean": {"wape": 0.7151, "product": 0.3}}},
    "stockouts": {"fair": 0.8, "all": 0.9},
    "elasticity": {"regression": -1.25},
    "customers": {"repeat_share": 0.3, "r": 0.25, "alpha": 4.0, "a": 0.8, "b": 2.4},
    "baskets": {"pairs": 2, "lowest": 0.7, "highest": 1.9},
    "censoring": {"all": 0.0765},
}


def test_what_was_learned_is_shown_of_this_world_alone(tmp_path):
    closed = datetime.datetime(2026, 1, 1, 8, 30, 1, 25)
    closings = [{"last_closed_date": datetime.date(2025, 12, 31), "etl_timestamp": closed}]
    file = tmp_path / "learnability.json"
    assert found_of(file, closings) == {}
    world = {"last_closed_date": "2025-12-31", "etl_timestamp": "2026-01-01 08:30:01.000025"}
    file.write_text(json.dumps({"world": world, **LEARNED}))
    assert found_of(file, closings) == {"world": world, **LEARNED}
    assert found_of(file, []) == {}
    closings[0]["etl_timestamp"] += datetime.timedelta(seconds=1)
    assert found_of(file, closings) == {}


def test_page_has_the_figures_of_what_was_learned(answers):
    shown = {(row["name"], row["beside"]): row["figure"] for row in learned_rows(LEARNED)}
    assert shown["Weekly WAPE, flat mean", "0.300 by product everywhere"] == "0.715"
    assert shown["Price elasticity", "regression"] == "-1.250"
    assert shown["Sales understate demand by", "FreshRetailNet-50K: 0.074"] == "0.076"
    assert len(shown) == 12
    assert 'id="learned"' not in render(answers, "sail", "local", SCHEMA)
    html = render(answers, "sail", "local", SCHEMA, LEARNED)
    assert all(f"<b>{figure}</b>" in html for figure in shown.values())
