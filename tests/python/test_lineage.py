"""How the columns of small projects are traced; test_docs.py looks at those of this one."""

from lineage.columns import columns_read, declared_origins, with_columns_of_inline


def test_own_columns_of_a_python_model_stand_for_what_they_read():
    python = {"unique_id": "model.shop.plan", "depends_on": {"nodes": ["seed.shop.brands"]}}
    origins = {"level": ["plan.demand", "target_rate"], "demand": ["brands.weight"]}
    python["columns"] = {
        name: {"config": {"meta": {"origin": origin}}} for name, origin in origins.items()
    }
    variable = ("source.stocktrue.variables", "target_rate")
    assert columns_read("level", python) == [("seed.shop.brands", "weight"), variable]
    assert declared_origins(python) == origins


def test_inline_makes_columns():
    sql = "select inline(array(struct('a' as name, t.x as value), struct('b', t.y + 1))) from t"
    assert with_columns_of_inline(sql) == (
        "SELECT COALESCE('a', 'b') AS name, COALESCE(t.x, t.y + 1) AS value FROM t"
    )
    other = "SELECT k, INLINE(ARRAYS_ZIP(a, b)) AS (x, y) FROM t"
    assert with_columns_of_inline(other) == other
