"""Equal tables have equal fingerprints, and those of the tiny preset are the recorded ones."""

import json

import pytest
from support import ROOT, differing, read_fingerprints, run_dbt

RECORD = ROOT / "tests" / "python" / "fingerprints_tiny.jsonl"
RENEW = ".venv/bin/pytest tests/python/test_fingerprints.py --renew-fingerprints"

ROWS = "(1, 0.5D, 'x', timestamp '2025-01-01', true), (2, null, null, null, null)"
TABLES = {
    "same": ROWS,
    "other_order": "(2, null, null, null, null), (1, 0.5D, 'x', timestamp '2025-01-01', true)",
    "row_twice": f"{ROWS}, (2, null, null, null, null)",
    "row_less": "(1, 0.5D, 'x', timestamp '2025-01-01', true)",
    "other_value": ROWS.replace("0.5D", "0.50001D"),
    "value_for_null": ROWS.replace("(2, null", "(2, 0.0D"),
    "text_for_null": ROWS.replace("null, null, null)", "'', null, null)"),
    "other_text": ROWS.replace("'x'", "'X'"),
}
SHIFTED = {
    "left": "select 1 as a, cast(null as int) as b, 2 as c",
    "right": "select 1 as a, 2 as b, cast(null as int) as c",
    "swapped": "select 2 as a, 1 as b, cast(null as int) as c",
    "zero": "select 0.0D as a",
    "minus_zero": "select -0.0D as a",
    "nan": "select cast('NaN' as double) as a",
    "minus_nan": "select -cast('NaN' as double) as a",
    "none": "select 1 as a where false",
}


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory):
    """Fingerprints of small tables in a project of their own, which differ in etl_timestamp too."""
    folder = tmp_path_factory.mktemp("fingerprints")
    models = {
        name: f"select k, d, s, t, b, timestamp '2025-01-0{at + 1}' as etl_timestamp "
        f"from values {rows} as v (k, d, s, t, b)"
        for at, (name, rows) in enumerate(TABLES.items())
    }
    files = {f"models/{name}.sql": sql for name, sql in {**models, **SHIFTED}.items()} | {
        "dbt_project.yml": "{name: small, version: 1.0.0, profile: stocktrue, "
        "models: {+materialized: table}}",
        "profiles.yml": "stocktrue: {target: local, outputs: {local: {type: embedded, "
        "engine: sail, warehouse: warehouse, schema: main, threads: 2}}}",
        "macros/fingerprint.sql": (ROOT / "macros" / "fingerprint.sql").read_text(),
        "macros/validate_vars.sql": (ROOT / "macros" / "validate_vars.sql").read_text(),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    command = ("run-operation", "fingerprint", "--args")
    outputs = []
    for arguments in (["run"], [*command, "{format: json}"], [*command, "{}"]):
        run = run_dbt(*arguments, project=folder, target=folder / "target")
        assert run.returncode == 0, run.output
        outputs.append(run.output)
    return read_fingerprints(outputs[1]), outputs[2]


def test_order_of_rows_and_load_time_do_not_count(fingerprints):
    found, _ = fingerprints
    assert found["same"] == found["other_order"]
    assert found["zero"] == found["minus_zero"]
    assert found["nan"] == found["minus_nan"]


def test_any_other_change_counts(fingerprints):
    found, _ = fingerprints
    alike = {"other_order", "minus_zero", "minus_nan"}
    hashes = {name: hash_ for name, (_, hash_) in found.items() if name not in alike}
    assert len(set(hashes.values())) == len(hashes) == len(TABLES) + len(SHIFTED) - len(alike)
    assert found["row_twice"][0] == 3
    assert found["none"] == (0, "0" * 16)


def test_table_has_one_line_for_each_table(fingerprints):
    found, shown = fingerprints
    for name, (rows, hash_) in found.items():
        assert any(line.split() == [name, str(rows), hash_] for line in shown.splitlines()), name
    assert f"{len(found)} tables" in shown


def test_data_of_the_tiny_preset_are_the_recorded_ones(tiny_fingerprints, request):
    published = {n: f for n, f in tiny_fingerprints.items() if not n.startswith("int_")}
    if request.config.getoption("--renew-fingerprints"):
        lines = [json.dumps({"table": n, "rows": r, "hash": h}) for n, (r, h) in published.items()]
        RECORD.write_text("\n".join(lines) + "\n")
    changed = differing(read_fingerprints(RECORD.read_text()), published)
    assert not changed, (
        f"{len(changed)} tables of the tiny preset have changed:\n"
        + "\n".join(changed)
        + f"\nIf that is intended, renew the record: {RENEW}"
    )
