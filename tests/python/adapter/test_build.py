"""Tables, views, seeds, Python models and tests, in one process and in the next."""

import json

SEED = "id,name,code,day,amount\n1,a,007,2024-01-01,1.50\n2,,008,2024-01-02,2.25\n"


# Longer than a screen: the files of one project, which say nothing without each other.
def files() -> dict[str, str]:
    return {
        "seeds/items.csv": SEED,
        "seeds/items.yml": """
            seeds:
              - name: items
                config:
                  column_types: {code: string, amount: "decimal(10,2)"}
            """,
        "models/sql_table.sql": "select id, coalesce(name, 'none') as name from {{ ref('items') }}",
        "models/sql_view.sql": """
            {{ config(materialized='view') }}
            select * from {{ ref('view_below') }} where id > 1
            """,
        "models/view_below.sql": """
            {{ config(materialized='view', alias='z_view') }}
            select * from {{ ref('sql_table') }}
            """,
        "models/from_spark.py": """
            import dataclasses

            import pyarrow as pa


            @dataclasses.dataclass
            class Factor:
                value: int


            FACTOR = Factor(2)


            def double(values):
                return [value * FACTOR.value for value in values]


            def model(dbt, session):
                def batches(source):
                    for batch in source:
                        yield pa.RecordBatch.from_pydict({"id": double(batch["id"].to_pylist())})

                return dbt.ref("items").select("id").mapInArrow(batches, "id bigint")
            """,
        "models/from_pandas.py": """
            import dataclasses

            import pandas as pd


            @dataclasses.dataclass
            class Row:
                value: int


            def model(dbt, session):
                wanted = dbt.config.get("wanted")
                day = pd.to_datetime(["2024-01-01 10:00", None])
                rows = pd.DataFrame({"a": [1, 2], "b": ["x", None], "t": day, "w": [wanted] * 2})
                # Unknown, pickling would look for the method in every module of the process.
                return rows.assign(module=Row.__init__.__module__)
            """,
        "models/from_arrow.py": """
            import pyarrow as pa


            def model(dbt, session):
                rows = dbt.source("raw", "items").count()
                return pa.table({"n": [rows], "this": [f"{dbt.this}"]})
            """,
        "models/models.yml": """
            sources:
              - {name: raw, schema: main, tables: [{name: items}]}
            models:
              - name: from_arrow
                config: {grants: {select: [someone]}}
              - name: from_pandas
                config: {wanted: 7}
              - name: sql_table
                columns:
                  - {name: id, data_tests: [unique, not_null]}
            unit_tests:
              - name: missing_names_are_filled
                model: sql_table
                given:
                  - {input: ref('items'), rows: [{id: 5, name: null}]}
                expect: {rows: [{id: 5, name: none}]}
            """,
        "tests/assert_view_is_small.sql": "select * from {{ ref('sql_view') }} where id <> 2",
    }


def test_build_and_next_process(project):
    project.write(files())
    project.build("--exclude", "from_arrow")
    project.build("--select", "from_arrow")  # reads a source, which has no place in the order

    items = project.rows("items")
    assert [row["code"] for row in items] == ["007", "008"]
    assert str(items[0]["amount"]) == "1.50"
    assert str(items[0]["day"]) == "2024-01-01"
    assert project.rows("sql_table") == [{"id": 1, "name": "a"}, {"id": 2, "name": "none"}]
    assert project.rows("from_spark") == [{"id": 2}, {"id": 4}]
    assert project.rows("from_arrow") == [{"n": 2, "this": "main.from_arrow"}]
    pandas_rows = project.rows("from_pandas")
    assert [row["w"] for row in pandas_rows] == [7, 7]
    assert {row["module"] for row in pandas_rows} == {"dbt_python_model.from_pandas"}
    assert pandas_rows[0]["t"].isoformat() == "2024-01-01T10:00:00+00:00"

    shown = project.process(
        "-q", "show", "--inline", "select * from {{ ref('sql_view') }}", "--output", "json"
    )
    assert json.loads(shown.stdout)["show"] == [{"id": 2, "name": "none"}], shown.stderr


def test_large_local_result_needs_no_request(project):
    project.write(
        {
            "models/large.py": """
                import numpy as np
                import pyarrow as pa


                def model(dbt, session):
                    dbt.config(materialized="incremental")
                    return pa.table({"n": np.arange(20_000_000)})
                """,
        }
    )
    project.build()
    project.build()
    rows = project.run("show", "--inline", "select count(*) as n from main.large")
    assert "40000000" in str(rows["inline_query"].agate_table.rows[0]["n"])


def test_schema_of_another_target_and_defer(project):
    project.write(
        {
            "models/below.sql": "select 1 as n",
            "models/above.sql": "select n + 1 as n from {{ ref('below') }}",
        }
    )
    project.build()
    (project.folder / "target").rename(project.folder / "state")
    state = str(project.folder / "state")
    project.build("--target", "other", "--select", "above", "--defer", "--state", state)
    assert project.rows("above", "other") == [{"n": 2}]


def test_view_and_table_change_places(project):
    project.write({"models/m.sql": "select 1 as n", "models/v.sql": "select * from {{ ref('m') }}"})
    for materialized, kind in (("view", False), ("table", True), ("view", False)):
        project.write(
            {"models/m.yml": f"models: [{{name: m, config: {{materialized: {materialized}}}}}]"}
        )
        project.build()
        assert (project.folder / "warehouse/main/m/_delta_log").exists() is kind
        assert (project.folder / "warehouse/main/m.view.sql").exists() is not kind


def test_view_follows_changed_columns(project):
    project.write(
        {
            "models/m.sql": "select 1 as n",
            "models/v.sql": "{{ config(materialized='view') }} select * from {{ ref('m') }}",
        }
    )
    project.build()
    project.write({"models/m.sql": "select 'x' as renamed, 2 as more"})
    project.build("--select", "m")
    shown = project.run("show", "--select", "v")
    assert shown["v"].agate_table.column_names == ("renamed", "more")


def test_clone_reads_the_tables_of_a_state_until_they_are_built(project):
    project.write(
        {"models/m.sql": "select 1 as n", "models/on_it.sql": "select * from {{ ref('m') }}"}
    )
    project.build()
    (project.folder / "target").rename(project.folder / "state")
    clone = ("clone", "--target", "other", "--state", str(project.folder / "state"))
    for again in ([], [], ["--full-refresh"]):
        assert {r.status for r in project.run(*clone, *again).values()} == {"success"}
    shown = project.run("show", "--target", "other", "--inline", "select * from other.on_it")
    assert [list(row) for row in shown["inline_query"].agate_table.rows] == [[1]]

    project.write({"models/on_it.sql": "select n + 1 as n from {{ ref('m') }}"})
    project.build("--target", "other", "--select", "on_it")
    assert project.rows("on_it", "other") == [{"n": 2}]
    assert project.rows("on_it") == [{"n": 1}]


def test_retry_builds_what_failed_and_what_was_skipped(project):
    settings = (project.folder / "dbt_project.yml").read_text()
    project.write(
        {
            "dbt_project.yml": settings + "on-run-start: [select 1]\non-run-end: [select 2]\n",
            "models/first.sql": "select 1 as n",
            "models/second.sql": "select n / no_such_column as n from {{ ref('first') }}",
            "models/third.sql": "select n + 1 as n from {{ ref('second') }}",
        }
    )
    statuses = {name: str(r.status) for name, r in project.run("build").items()}
    assert (statuses["second"], statuses["third"]) == ("error", "skipped")

    project.write({"models/second.sql": "select n + 1 as n from {{ ref('first') }}"})
    retried = {name: str(r.status) for name, r in project.run("retry").items()}
    assert {"second", "third"} <= set(retried)
    assert "first" not in retried
    assert set(retried.values()) == {"success"}
    assert project.rows("third") == [{"n": 3}]
