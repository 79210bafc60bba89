"""The warehouse folder: only what builds have written goes, and old versions do not pile up."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.storage import ParquetStorage
from dbt.adapters.embedded.warehouse import Warehouse
from dbt_common.exceptions import DbtRuntimeError
from deltalake import DeltaTable
from support import read_delta


@pytest.fixture(scope="module")
def session():
    return start_engine("sail")


@pytest.fixture
def warehouse(session, tmp_path):
    """A warehouse with a table t of 3 rows in the schema main."""
    opened = Warehouse(session, "sail", tmp_path)
    opened.create_schema("main")
    opened.replace_table(session.range(3), "main", "t")
    yield opened
    shutil.rmtree(tmp_path / "main", ignore_errors=True)
    opened.drop_schema("main")


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


CHANGES = {
    "replace": lambda w: w.replace_table(w.session.range(5), "main", "t"),
    "append": lambda w: w.append(w.session.range(5), "main", "t"),
    "view": lambda w: w.create_view("main", "t", "select 1 as id"),
    "drop": lambda w: w.drop("main", "t"),
    "drop schema": lambda w: w.drop_schema("main"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "name", ["export.parquet", "part-1.parquet", "mine/notes.txt", "_delta_log/notes.txt"]
)
def test_files_of_others_beside_a_table_stop_a_change(warehouse, tmp_path, change, name):
    path = tmp_path / "main/t" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("of value")
    before = contents(tmp_path / "main")
    named = tmp_path / "main/t" / name.removesuffix("/notes.txt" if "mine" in name else "")
    with pytest.raises(DbtRuntimeError, match=f"{named} was not written by a build"):
        CHANGES[change](warehouse)
    assert contents(tmp_path / "main") == before
    path.unlink()
    if "mine" in name:
        path.parent.rmdir()
    CHANGES[change](warehouse)  # the table is still known to the engine


@pytest.mark.parametrize("change", ["replace", "view", "drop schema"])
def test_a_folder_of_others_named_like_a_table_stops_a_change(warehouse, tmp_path, change):
    warehouse.drop("main", "t")
    (tmp_path / "main/t").mkdir()
    (tmp_path / "main/t/thesis.txt").write_text("of value")
    with pytest.raises(DbtRuntimeError, match=r"thesis\.txt was not written by a build"):
        CHANGES[change](warehouse)
    assert (tmp_path / "main/t/thesis.txt").read_text() == "of value"


def test_a_file_of_others_in_a_schema_stops_its_removal(warehouse, tmp_path):
    (tmp_path / "main/notes.txt").write_text("of value")
    with pytest.raises(DbtRuntimeError, match=r"notes\.txt was not written by a build"):
        warehouse.drop_schema("main")
    assert len(read_delta(DeltaTable(tmp_path / "main/t"))) == 3
    (tmp_path / "main/notes.txt").unlink()
    warehouse.create_view("main", "v", "select * from main.t")
    warehouse.drop_schema("main")
    assert not (tmp_path / "main").exists()
    warehouse.create_schema("main")


def test_parquet_folders_hold_what_spark_writes(tmp_path):
    """Files of a version, finished or killed; in the folder of a table and nowhere else."""
    part = "part-00000-1fb7dd1a-21e5-4d4f-8f2c-93d2a4a3c7ee-c000.zstd.parquet"
    folders = ("v1", "v2/_temporary/0/_temporary/attempt_20250101_0001_m_000000_1")
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / part).touch()
        (tmp_path / folder / f".{part}.crc").touch()
    for name in ("_current", "_current.new", "v1/_SUCCESS", "v1/._SUCCESS.crc"):
        (tmp_path / name).touch()
    assert ParquetStorage().foreign(tmp_path) is None
    for name in ("v1/notes.txt", "vault", "_delta_log", "v1/export.parquet"):
        (tmp_path / name).touch()
        assert ParquetStorage().foreign(tmp_path) == tmp_path / name
        (tmp_path / name).unlink()


def test_twenty_versions_take_the_space_of_two(warehouse, session, tmp_path):
    folder = tmp_path / "main/t"
    reader = DeltaTable(folder)
    for version in range(1, 21):
        rows = session.range(20_000).selectExpr("id", "uuid() as text", f"{version} as n")
        warehouse.replace_table(rows, "main", "t")
        current = DeltaTable(folder)
        assert current.version() == version
        # Readers of the version before are still at it, and others come to it.
        expected = [version - 1] * 20_000 if version > 1 else [0, 1, 2]
        for before in (reader, DeltaTable(folder, version=version - 1)):
            found = read_delta(before)
            assert found["n" if version > 1 else "id"].to_pylist() == expected
        reader = current
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        data = [size for path, size in sizes.items() if path.parent == folder]
        assert sum(sizes.values()) < 1.1 * sum(data)
        assert len(data) <= 4
        assert len(sizes) - len(data) <= 18
        found = "select count(*), min(id) from main.t"
        assert session.sql(found).collect() == [(20_000, 0)]
        before = session.sql(f"{found} version as of {version - 1}").collect()
        assert before == [(20_000 if version > 1 else 3, 0)]
    again = Warehouse(session, "sail", tmp_path)
    session.sql("drop table main.t")
    again.attach("main")
    assert session.sql("select min(n), count(*) from main.t").collect() == [(20, 20_000)]


def test_numbers_are_read_as_they_are_written(warehouse, session, tmp_path):
    """Of a column with one value in a file, too, where the log would tell it."""
    number = 0.9950395851563593
    for name, column in (("a", "`a number`"), ("b", "n")):
        rows = session.sql(f"select {number}D as {column}, 7 as `whole, exact`")
        warehouse.replace_table(rows, "main", name)
        assert session.sql(f"select * from main.{name}").collect() == [(number, 7)]
        added = pa.table(DeltaTable(tmp_path / "main" / name).get_add_actions(flatten=True))
        assert added["min.whole, exact"].to_pylist() == [7]


def test_versions_of_a_table_that_changes_in_part_stay_for_a_while(warehouse, session, tmp_path):
    folder = tmp_path / "main/t"
    warehouse.replace_table(session.range(3).selectExpr("id", "0 as n"), "main", "t")
    storage = warehouse.storage
    for n in range(1, 31):
        rows = session.range(1).selectExpr(f"100 + {n} % 2 as id", f"{n} as n")

        def change(path, rows=rows):
            storage.replace(rows, path, "id >= 100")

        warehouse.change_table("main", "t", change)
        current = DeltaTable(folder).version()
        for version in range(max(current - storage.KEPT_VERSIONS + 1, 1), current + 1):
            assert sorted(read_delta(DeltaTable(folder, version=version))["n"].to_pylist())[3:] == [
                version - 1
            ] * (version > 1)
            found = session.sql(f"select max(n) from main.t version as of {version}").collect()
            assert found == [(version - 1,)]
    assert len(list(folder.glob("*.parquet"))) <= storage.KEPT_VERSIONS + 2
    assert len(list((folder / "_delta_log").iterdir())) < 4 * storage.KEPT_VERSIONS
    warehouse.replace_table(session.range(3), "main", "t")
    warehouse.replace_table(session.range(3), "main", "t")
    assert len(list(folder.glob("*.parquet"))) <= 4


@pytest.mark.parametrize("schema", ["/tmp/x", ".", "..", "../../x", "a b", "a-b", "a.b", ""])
def test_a_schema_cannot_leave_the_warehouse(session, tmp_path, schema):
    (tmp_path / "warehouse").mkdir()
    opened = Warehouse(session, "sail", tmp_path / "warehouse")
    for change in (opened.create_schema, opened.drop_schema, opened.relations):
        with pytest.raises(DbtRuntimeError, match="only letters, digits and underscores"):
            change(schema)
    assert contents(tmp_path) == {tmp_path / "warehouse": None}


@pytest.mark.parametrize("name", ["/tmp/x", "../x", ".locks", "a/b", ""])
def test_a_table_cannot_leave_its_schema(warehouse, session, tmp_path, name):
    before = contents(tmp_path)
    with pytest.raises(DbtRuntimeError, match="cannot be the name of a table"):
        warehouse.replace_table(session.range(3), "main", name)
    with pytest.raises(DbtRuntimeError, match="cannot be the name of a table"):
        warehouse.create_view("main", name, "select 1 as n")
    assert contents(tmp_path) == before
