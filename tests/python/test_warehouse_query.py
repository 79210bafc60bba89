"""scripts/warehouse_query.py: queries on the built tables through dbt."""

import datetime

import pytest
from support import SCHEMA
from warehouse_query import WarehouseError, open_warehouse


@pytest.fixture
def in_world(tiny_world, monkeypatch):
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tiny_world.warehouse))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", SCHEMA)


@pytest.mark.usefixtures("in_world")
def test_tables_and_analyses_are_asked(tiny_world):
    with open_warehouse("local", "abandonment_by_segment") as warehouse:
        assert (warehouse.engine, warehouse.schema) == ("sail", SCHEMA)
        assert warehouse.analyses() == ["abandonment_by_segment"]
        assert warehouse.tables_read() == ["gold_cart_fact"]
        assert warehouse.missing(warehouse.tables_read()) == []
        rows = warehouse.query(warehouse.analysis("abandonment_by_segment"))
        assert [row["segment"] for row in rows] == ["loyal", "new", "premium", "regular", "vip"]
        (row,) = warehouse.query(
            f"select count(*) as days, max(calendar_date) as last_day, bool_or(is_holiday) as any"
            f" from {warehouse.table('gold_date_dim')}"
        )
        assert row == {
            "days": tiny_world.table("gold_date_dim").num_rows,
            "last_day": datetime.date(2027, 1, 3),
            "any": True,
        }
        with pytest.raises(WarehouseError, match="no_such_table"):
            warehouse.query("select * from no_such_table")
        with pytest.raises(KeyError):
            warehouse.table("no_such_table")


def test_tables_that_were_not_built_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tmp_path / "none"))
    with open_warehouse("local") as warehouse:
        assert warehouse.missing(["gold_sales_fact"]) == ["gold_sales_fact"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("target", "analyses", "reason"),
    [("nowhere", [], "nowhere"), ("local", ["no_such_query"], "no_such_query")],
)
def test_wrong_target_or_selection_is_told(target, analyses, reason):
    with (
        pytest.raises(WarehouseError, match=reason),
        open_warehouse(target, *analyses),
    ):
        pass
