"""Contracts: columns and types are checked, not_null holds, keys are information."""

CONTRACT = """
    models:
      - name: m
        config: {contract: {enforced: true}, persist_docs: {columns: true}}
        constraints:
          - {type: primary_key, columns: [id], warn_unenforced: false}
          - {type: check, expression: id > 0, warn_unenforced: false}
        columns:
          - name: id
            data_type: bigint
            description: "The item's id"
            constraints: [{type: not_null}]
          - name: v
            data_type: string
            constraints: [{type: not_null}, {type: unique, warn_unenforced: false}]
    """
PYTHON_CONTRACT = """
    models:
      - name: p
        config: {enforce_contract: true}
        columns:
          - {name: v, data_type: string}
          - {name: id, data_type: int, constraints: [{type: not_null}]}
    """


def test_sql_contract(project):
    project.write({"models/m.yml": CONTRACT, "models/m.sql": "select 'a' as v, 1L as id"})
    project.build()
    before = project.rows("m")
    assert list(before[0]) == ["id", "v"]

    project.write({"models/m.sql": "select nullif(id, 900) as id, 'x' as v from range(1000)"})
    assert "null value in not_null column id of main.m" in project.run("run")["m"].message
    assert project.rows("m") == before
    assert len(list((project.folder / "warehouse/main/m").glob("*.parquet"))) == 1

    project.write({"models/m.sql": "select 1 as id, 'x' as v"})
    assert "data type mismatch" in project.run("run")["m"].message
    assert project.rows("m") == before


def test_python_contract(project):
    model = "def model(dbt, session):\n    return session.sql('''{}''')\n"
    project.write({"models/p.yml": PYTHON_CONTRACT})
    project.write({"models/p.py": model.format("select 5L as id, 1 as v")})
    project.build()
    assert project.rows("p") == [{"v": "1", "id": 5}]
    project.write({"models/p.py": model.format("select nullif(id, 3) as id, 1 as v from range(9)")})
    assert "null value in not_null column id of main.p" in project.run("run")["p"].message
    project.write({"models/p.py": model.format("select 5 as id, 1 as w")})
    message = project.run("run")["p"].message
    assert "missing columns ['v'], unexpected columns ['w']" in message
    assert project.rows("p") == [{"v": "1", "id": 5}]


def test_incremental_contract(project):
    sql = """
        {{ config(materialized='incremental', unique_key='id', on_schema_change='fail') }}
        select %s as id, 'v' as v
        """
    project.write({"models/m.yml": CONTRACT, "models/m.sql": sql % "2L"})
    project.build()
    project.write({"models/m.sql": sql % "nullif(2L, 2L)"})
    assert "null value in not_null column id" in project.run("run")["m"].message
    assert [row["id"] for row in project.rows("m")] == [2]


def test_catalog(project):
    project.write(
        {
            "models/m.yml": CONTRACT,
            "models/m.sql": "select id, 'x' as v from range(1000)",
            "models/view.sql": "{{ config(materialized='view') }} select * from {{ ref('m') }}",
            "models/elsewhere.sql": "{{ config(schema='more') }} select 1 as n",
        }
    )
    project.build()
    catalog = project.run("docs", "generate").result
    table = catalog.nodes["model.tiny.m"]
    assert {name: column.type for name, column in table.columns.items()} == {
        "id": "bigint",
        "v": "string",
    }
    assert table.columns["id"].comment == "The item's id"
    assert table.stats["rows"].value == 1000
    files = (project.folder / "warehouse/main/m").glob("*.parquet")
    assert table.stats["bytes"].value == sum(path.stat().st_size for path in files)
    assert list(catalog.nodes["model.tiny.view"].columns) == ["id", "v"]
    assert catalog.nodes["model.tiny.elsewhere"].stats["rows"].value == 1
