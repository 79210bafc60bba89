"""What the commands share that measure the tables of the local target."""

import json
from datetime import date, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from learnability_panel import MissingTableError
from measuring import Command, world_of
from support import ROOT


@pytest.fixture
def schema(tmp_path, monkeypatch):
    """Return the folder of a schema with the closings of two days, the last one twice."""
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tmp_path))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", "measured")
    closings = [
        (date(2026, 1, 4), datetime(2026, 1, 7, 8)),
        (date(2026, 1, 4), datetime(2026, 1, 7, 9)),
        (date(2026, 1, 3), datetime(2026, 1, 8, 7)),
    ]
    rows = [{"last_closed_date": day, "etl_timestamp": at} for day, at in closings]
    write_deltalake(str(tmp_path / "measured" / "world"), pa.Table.from_pylist(rows))
    return tmp_path / "measured"


def command(output):
    return Command("measured", output, "path:analyses/learnability")


def test_world_is_that_of_the_last_closing(schema, tmp_path):
    assert world_of(schema) == {
        "last_closed_date": "2026-01-04",
        "etl_timestamp": "2026-01-07 09:00:00",
    }
    assert world_of(tmp_path / "none") is None


def test_figures_are_printed_and_written_with_their_world(schema, tmp_path, capsys):
    def measure(folder, tell):
        assert folder == schema
        tell("reading")
        return {"share": 0.5}

    output = tmp_path / "new" / "figures.json"
    command(output).run(measure, lambda found: ["", f"share {found['share']}"], output)
    assert json.loads(output.read_text()) == {"world": world_of(schema), "share": 0.5}
    assert capsys.readouterr().out.splitlines() == [
        *("measured: 0 s: reading", "", "share 0.5", ""),
        f"measured: wrote {output}",
    ]


def test_table_that_is_not_there_is_one_line(schema, tmp_path):
    def measure(folder, tell):
        raise MissingTableError("gold_sales_fact")

    output = tmp_path / "figures.json"
    with pytest.raises(SystemExit, match=f"^measured: no gold_sales_fact in {schema}: run make"):
        command(output).run(measure, lambda found: [], output)
    assert not output.exists()


def test_output_is_told_from_the_project_on():
    output = ROOT / "target" / "figures.json"
    parser = command(output).parser("Measure.")
    assert "(default target/figures.json)" in " ".join(parser.format_help().split())
    assert parser.parse_args([]).output == output
