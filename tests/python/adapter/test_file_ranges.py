"""Files of a table hold a range of a column each, when the model's config says so."""

import pyarrow as pa
import pytest
from dbt.adapters.embedded.file_ranges import in_ranges
from dbt_common.exceptions import DbtRuntimeError
from deltalake import DeltaTable

NUMBERS = "select if(id = 7, null, cast(id as int)) as n from range(0, 100)"
EXPECTED = sorted(([{"n": n} for n in range(100) if n != 7] + [{"n": None}]), key=str)


def ranges_of_files(project, table: str) -> set[tuple[int, int]]:
    """The least and the greatest value of `n` in each file."""
    files = pa.table(
        DeltaTable(project.folder / "warehouse/main" / table).get_add_actions(flatten=True)
    )
    return set(zip(files["min.n"].to_pylist(), files["max.n"].to_pylist(), strict=True))


def test_files_hold_ranges_of_what_a_model_reads_or_returns(project):
    project.write(
        {
            "models/numbers.sql": NUMBERS,
            "models/read_apart.sql": "select * from {{ ref('numbers') }} as numbers",
            "models/written_apart.sql": "with final as (select * from {{ ref('numbers') }})\n"
            "select * from final -- order does not matter",
            "models/models.yml": """
                models:
                  - name: read_apart
                    config: {file_ranges: {column: n, of: [numbers], starts: [20, 60]}}
                  - name: written_apart
                    config:
                      file_ranges: {column: n, starts: [50]}
                      contract: {enforced: true}
                    columns: [{name: n, data_type: int}]
                """,
        }
    )
    project.build()
    assert project.rows("read_apart") == EXPECTED
    assert project.rows("written_apart") == EXPECTED
    assert ranges_of_files(project, "read_apart") == {(0, 19), (20, 59), (60, 99)}
    assert ranges_of_files(project, "written_apart") == {(0, 49), (50, 99)}


def test_files_hold_one_value_each_of_a_column_so_that_a_value_goes_with_its_file(project):
    """By values: the days that a rolling table drops take their files along, others stay."""
    project.write(
        {
            "models/days.sql": """
                select cast(id % 3 as int) + {{ 10 if is_incremental() else 1 }} as n
                from range(0, 90)
                """,
            "models/models.yml": """
                models:
                  - name: days
                    config:
                      materialized: incremental
                      incremental_strategy: replace_where
                      incremental_predicates: [n >= 10 or n < 2]
                      files_by: n
                """,
        }
    )
    project.build()
    assert ranges_of_files(project, "days") == {(1, 1), (2, 2), (3, 3)}
    table = DeltaTable(project.folder / "warehouse/main/days")
    kept = set(table.file_uris())
    project.build()
    assert ranges_of_files(project, "days") == {(n, n) for n in (2, 3, 10, 11, 12)}
    table.update_incremental()
    assert len(kept & set(table.file_uris())) == 2
    assert sorted({row["n"] for row in project.rows("days")}) == [2, 3, 10, 11, 12]
    assert len(project.rows("days")) == 60 + 90


def test_one_range_is_the_plain_query():
    assert in_ranges("select * from main.a", "n", [], ["main.a"]) == "select * from main.a"


def test_only_the_named_relation_is_read_in_ranges():
    sql = in_ranges("select * from main.ab join main.a join main.a_b", "n", [5], ["main.a"])
    branches = "select * from main.a where n < 5 or n is null union all select * from main.a"
    assert sql == f"select * from main.ab join ({branches} where n >= 5) join main.a_b"


def test_relation_that_is_not_read_is_an_error():
    with pytest.raises(DbtRuntimeError, match=r"file_ranges names main.a, .* does not read"):
        in_ranges("select * from main.ab", "n", [5], ["main.a"])
