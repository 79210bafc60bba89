"""Incremental models: second runs, changed columns, full refresh, and what is refused."""

from types import SimpleNamespace

import pytest
from deltalake import DeltaTable
from pyspark.sql.connect.session import SparkSession

SQL = """
    {{ config(materialized='incremental') }}
    select id, v, {{ var('extra', "'-'") }} as extra
    from values (1, 'a'), ({{ var('second', 2) }}, '{{ is_incremental() }}') as t (id, v)
    """
PYTHON = """
    import pandas as pd


    def model(dbt, session):
        dbt.config(materialized="incremental")
        second = 3 if dbt.is_incremental else 2
        return pd.DataFrame({"id": [1, second], "v": [str(dbt.is_incremental)] * 2})
    """
KEYED = """
    models:
      - {name: sql_model, config: {unique_key: id}}
      - {name: py_model, config: {unique_key: [id]}}
    """


def ids(rows):
    return [row["id"] for row in rows]


def test_append_then_full_refresh(project):
    project.write({"models/sql_model.sql": SQL, "models/py_model.py": PYTHON})
    project.build()
    project.build("--vars", "second: 3")
    assert ids(project.rows("sql_model")) == [1, 1, 2, 3]
    assert ids(project.rows("py_model")) == [1, 1, 2, 3]
    project.build("--full-refresh")
    assert ids(project.rows("sql_model")) == ids(project.rows("py_model")) == [1, 2]


def test_merge(project):
    project.write(
        {"models/sql_model.sql": SQL, "models/py_model.py": PYTHON, "models/m.yml": KEYED}
    )
    project.build()
    project.build("--vars", "second: 3")
    assert [(r["id"], r["v"]) for r in project.rows("sql_model")] == [
        (1, "a"),
        (2, "False"),
        (3, "True"),
    ]
    assert [(r["id"], r["v"]) for r in project.rows("py_model")] == [
        (1, "True"),
        (2, "False"),
        (3, "True"),
    ]
    files = list((project.folder / "warehouse/main/sql_model").glob("*.parquet"))
    assert len(files) <= 4


RANGED = """
    {{ config(
        materialized='incremental',
        incremental_strategy='replace_where',
        incremental_predicates=['id >= {first}']
    ) }}
    select id, {{ var('n', 1) }} as n from range(0, 4)
    {% if is_incremental() %} where id >= {{ var('first', 0) }}{% endif %}
    """
FILLED = """
    {% macro replaced_rows(predicates) %}
        {% do return(predicates[0] | replace('{first}', var('first') | string)) %}
    {% endmacro %}
    """


def test_replaced_rows(project):
    """One version of the table; what the predicate is true for goes, whatever comes instead."""
    project.write({"models/m.sql": RANGED, "macros/replaced_rows.sql": FILLED})
    project.build()
    project.build("--vars", "{first: 2, n: 2}")
    assert [(r["id"], r["n"]) for r in project.rows("m")] == [(0, 1), (1, 1), (2, 2), (3, 2)]
    project.build("--vars", "{first: 3, n: 3}")
    assert [r["n"] for r in project.rows("m")] == [1, 1, 2, 3]
    assert DeltaTable(project.folder / "warehouse/main/m").version() == 2


@pytest.mark.parametrize("key", ["", "unique_key: id,"])
def test_changed_columns(project, key, monkeypatch):
    # What PySpark falls back to: the first session of the process, here of an engine that ended.
    monkeypatch.setattr(SparkSession, "_default_session", SimpleNamespace())

    def configure(change):
        config = f"{{{key} on_schema_change: {change}}}"
        project.write({"models/m.yml": f"models: [{{name: m, config: {config}}}]"})

    base = "{{ config(materialized='incremental') }} select 1 as id"
    configure("ignore")
    project.write({"models/m.sql": base})
    project.build()
    project.write({"models/m.sql": base + ", 5 as more"})
    project.build()
    assert list(project.rows("m")[0]) == ["id"]
    configure("fail")
    assert "out of sync" in project.run("run")["m"].message
    configure("append_new_columns")
    project.build()
    assert project.rows("m")[0] == {"id": 1, "more": 5}


STREAM = """
    import pyarrow as pa


    def model(dbt, session):
        dbt.config(
            materialized="incremental",
            incremental_strategy="replace_where",
            incremental_predicates=["id > 2"],
        )

        def lists(batches):
            for batch in batches:
                values = pa.array([[n, None] for n in batch["id"].to_pylist()])
                yield pa.RecordBatch.from_arrays([batch["id"], values], ["id", "v"])

        ids = session.range(3, 5) if dbt.is_incremental else session.range(1, 4)
        return ids.mapInArrow(lists, "id bigint, v array<bigint>")
    """


def test_rows_with_arrays_of_a_stream_are_replaced(project):
    """Of those that are there, some stay in the file in which others are replaced."""
    project.write({"models/m.py": STREAM})
    project.build()
    for _ in range(2):
        project.build()
        rows = {row["id"]: row["v"] for row in project.rows("m")}
        assert rows == {id: [id, None] for id in (1, 2, 3, 4)}


def test_refused_strategies(project):
    project.write(
        {
            "models/m.sql": """
                {{ config(materialized='incremental', incremental_strategy='insert_overwrite') }}
                select 1 as id
                """,
            "models/n.sql": """
                {{ config(materialized='incremental', incremental_strategy='merge') }}
                select 1 as id
                """,
        }
    )
    results = project.run("run")
    assert (
        "'insert_overwrite' is not supported here; use 'append', 'merge' or 'replace_where'"
        in results["m"].message
    )
    assert "'merge' needs a unique_key" in results["n"].message


def test_snapshot(project):
    def write(value):
        project.write(
            {
                "snapshots/s.yml": """
                    snapshots:
                      - name: s
                        relation: ref('m')
                        config: {strategy: check, check_cols: [v], unique_key: id}
                    """,
                "models/m.sql": f"select * from values (1, '{value}'), (2, 'same') as t (id, v)",
            }
        )

    for value in ("old", "new"):
        write(value)
        project.build()
    rows = [(r["id"], r["v"], r["dbt_valid_to"] is None) for r in project.rows("s")]
    assert sorted(rows) == [(1, "new", True), (1, "old", False), (2, "same", True)]
