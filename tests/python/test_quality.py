"""realism_metrics joins what the seed publishes with what the models of the topics measure."""

from types import SimpleNamespace

import jinja2
import pytest
from dbt.adapters.embedded.engines import start_engine
from support import ROOT

MODEL = ROOT / "models" / "quality" / "realism_metrics.sql"
SHOWN = ROOT / "macros" / "shown.sql"


def measured(metric_id: str) -> str:
    """Return a query of one figure, as the model of a topic returns it."""
    return f"select '{metric_id}' as metric_id, 1.0D as measured_value, 'x' as detail"


@pytest.fixture(scope="module")
def session():
    """Return a session of the local engine."""
    return start_engine("sail")


@pytest.fixture
def metrics(session):
    """Return a function that runs the model and returns the figures of its rows.

    It takes the figures of the seed and those of the models, each by its topic.
    """
    macros = jinja2.Environment().from_string(SHOWN.read_text()).module

    def run(published: dict[str, str], found: dict[str, str]) -> set[str]:
        rows = ", ".join(f"('{metric_id}', '{topic}')" for topic, metric_id in published.items())
        queries = {f"int_realism_{topic}": measured(each) for topic, each in found.items()} | {
            "realism_ranges": "select *, 'x' as metric_name, 'x' as unit, 0.0D as published_low, "
            "2.0D as published_high, 'x' as published_source, 'x' as origin "
            f"from values {rows} as v (metric_id, topic)"
        }
        sql = (
            jinja2.Environment()
            .from_string(MODEL.read_text())
            .render(
                ref=lambda name: f"({queries.get(name, measured('x') + ' where false')})",
                shown=macros.shown,
                audit_columns=lambda: "1 as etl_timestamp",
                flags=SimpleNamespace(EMPTY=False),
            )
        )
        return {row.metric_id for row in session.sql(sql).collect()}

    return run


def test_figures_are_those_of_the_seed_and_of_the_models(metrics):
    figures = {"stock": "a", "week": "b"}
    assert metrics(figures, figures) == {"a", "b"}


@pytest.mark.parametrize(
    ("published", "found", "told"),
    [
        (
            {"stock": "a", "week": "b"},
            {"stock": "a"},
            "topic measures the figure b",
        ),
        ({"stock": "a"}, {"stock": "a", "week": "b"}, "realism_ranges lacks the figure b"),
        ({"week": "a"}, {"stock": "a"}, "the figure a"),
    ],
    ids=["not measured", "not published", "of another topic"],
)
def test_figure_of_one_side_only_stops_the_build_and_is_named(metrics, published, found, told):
    with pytest.raises(Exception, match=told):
        metrics(published, found)
