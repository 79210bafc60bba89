"""The variables: wrong values stop every command, and the three lists of them agree."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from dbt.cli.main import dbtRunner
from run_vars import variable_spec
from support import ROOT, run_dbt

PROJECT = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
# Package variables have a colon in their name and are not ours to describe.
DEFAULTS = {name: value for name, value in PROJECT["vars"].items() if ":" not in name}


SPEC = variable_spec()


def allowed(entry: dict) -> str:
    """Return what the message says of the allowed values of a variable."""
    low, high = entry["min"], entry["max"]
    return {
        "optional date": f"today, yesterday, a date 'YYYY-MM-DD' from {low} to {high}, or empty",
        "date": f"a date 'YYYY-MM-DD' from {low} to {high}",
        "day range": f"[fewest, most] as two whole numbers from {low} to {high}, the smaller first",
    }.get(entry["kind"], f"a {entry['kind']} from {low} to {high}")


ALLOWED = {entry["name"]: allowed(entry) for entry in SPEC}
# These pairs may not exceed 1 together, so none is taken to its end alone.
SUMMED = (
    *("cart_abandonment_base_rate", "cart_abandonment_increase"),
    *("substitution_rate", "waiting_rate"),
)


def message(name: str, shown: str) -> str:
    """Return the line for a wrong value of a variable."""
    return f"{name}: got {shown}, allowed: {ALLOWED[name]}"


# Values refused for every variable, and for single ones; each as YAML and as the message shows it.
WRONG_EVERYWHERE = [
    ("true", "True"),
    ("'5'", "'5'"),
    ("", "nothing"),
    ("[1]", "[1]"),
    ("{a: 1}", "{'a': 1}"),
    (".nan", "nan"),
    (".inf", "inf"),
]
WRONG = [
    *(
        (name, text, shown)
        for name in DEFAULTS
        for text, shown in WRONG_EVERYWHERE
        if (name, text) != ("end_date", "")
    ),
    *(
        (entry["name"], str(value), str(value))
        for entry in SPEC
        if entry["kind"] in ("whole number", "number")
        for value in (entry["min"] - 1, entry["max"] + 1)
    ),
    ("num_products", "-5", "-5"),
    ("num_products", "100.0", "100.0"),
    ("num_products", "1e3", "'1e3'"),
    ("num_products", '"a\\nb"', "'a b'"),
    ("return_delay_days", "[3, 1]", "[3, 1]"),
    ("return_delay_days", "[0, 3]", "[0, 3]"),
    ("return_delay_days", "[1, 31]", "[1, 31]"),
    ("return_delay_days", "[1, 2, 3]", "[1, 2, 3]"),
    ("return_delay_days", "[1, 2.5]", "[1, 2.5]"),
    ("return_delay_days", "[true, 3]", "[True, 3]"),
    ("return_delay_days", "3", "3"),
    ("start_date", "'2025-02-30'", "'2025-02-30'"),
    ("start_date", "'2025-02-29'", "'2025-02-29'"),
    ("start_date", "'1900-02-29'", "'1900-02-29'"),
    ("start_date", "'2025-13-01'", "'2025-13-01'"),
    ("start_date", "'2025-00-10'", "'2025-00-10'"),
    ("start_date", "'2025-10-00'", "'2025-10-00'"),
    ("start_date", "'2025-1-1'", "'2025-1-1'"),
    ("start_date", "'01.02.2025'", "'01.02.2025'"),
    ("start_date", "'1999-12-31'", "'1999-12-31'"),
    ("start_date", "20251003", "20251003"),
    ("start_date", "2025-10-03 12:00:00", "2025-10-03 12:00:00"),
    ("target_stockout_rate", "0.51", "0.51"),
    ("target_stockout_rate", "7.5%", "'7.5%'"),
    ("random_seed", "4.2", "4.2"),
]

# Texts of variables without any problem.
RIGHT = [
    "{}",
    *(path.read_text() for path in sorted((ROOT / "presets").glob("*.yml"))),
    *(
        f"{entry['name']}: {entry[end]}"
        for entry in SPEC
        if entry["name"] not in ("return_delay_days", *SUMMED)
        for end in ("min", "max")
    ),
    "return_delay_days: [1, 30]",
    "return_delay_days: [1, 1]",
    "start_date: 2024-02-29",
    "start_date: '2024-02-29'",
    "start_date: '2000-02-29'",
    "cart_abandonment_base_rate: 0\ncart_abandonment_increase: 1",
    "cart_abandonment_base_rate: 0.7\ncart_abandonment_increase: 0.3",
    "substitution_rate: 1\nwaiting_rate: 0",
    "substitution_rate: 0.7\nwaiting_rate: 0.3",
    "num_products: 143165\nnum_locations: 1000\ndate_range_days: 70",
    "end_date: today",
    "end_date: yesterday",
    "end_date:",
    "append_to: yesterday",
    "append_days: 3",
    "'dbt_date:time_zone': Europe/Berlin",
]

# Texts of variables and the single line that each gives.
SPECIAL = [
    (
        "num_customers: 10000001",
        "num_customers: got 10000001, allowed: a whole number from 10 to 10000000",
    ),
    (
        "cart_abandonment_base_rate: 0.7\ncart_abandonment_increase: 0.31",
        "cart_abandonment_increase: got 0.31, allowed: at most 1 together with"
        " cart_abandonment_base_rate (0.7)",
    ),
    (
        "substitution_rate: 0.9",
        "waiting_rate: got 0.16, allowed: at most 1 together with substitution_rate (0.9)",
    ),
    (
        "num_products: 143166\nnum_locations: 1000\ndate_range_days: 70",
        "num_products: got 143166, allowed: at most 143165 together with num_locations (1000)"
        " and date_range_days (70)",
    ),
    (
        "num_product: 1",
        "num_product: got 1, but there is no such variable, did you mean num_products?",
    ),
    ("seed: 'x'", "seed: got 'x', but there is no such variable, did you mean random_seed?"),
    (
        "stockout_rate: 1",
        "stockout_rate: got 1, but there is no such variable, did you mean target_stockout_rate?",
    ),
    ("zzz: 1", "zzz: got 1, but there is no such variable, allowed: " + ", ".join(DEFAULTS)),
]

EXPECTED = {
    **{text: [] for text in RIGHT},
    **{f"{name}: {text}": [message(name, shown)] for name, text, shown in WRONG},
    **{text: [line] for text, line in SPECIAL},
}

REPORT = """
{% macro report(defaults, cases) %}
    {% set found = [] %}
    {% for given in cases %}
        {% do found.append(var_problems(dict(defaults, **known_only(given, defaults)), given)) %}
    {% endfor %}
    {{ print("REPORT" ~ tojson(found)) }}
{% endmacro %}

{% macro known_only(given, defaults) %}
    {% set known = {} %}
    {% for name, value in given.items() if name in defaults %}
        {% do known.update({name: value}) %}
    {% endfor %}
    {% do return(known) %}
{% endmacro %}
"""


@pytest.fixture(scope="module")
def project(stub, tmp_path_factory) -> Path:
    """Return a project with the real variables and check but a single model."""
    folder = tmp_path_factory.mktemp("vars") / "project"
    shutil.copytree(stub, folder)
    for name in ("seeds", "warehouse"):
        (folder / name).mkdir()
    (folder / "macros" / "report.sql").write_text(REPORT)
    (folder / "models" / "only.sql").write_text("select 1 as x")
    (folder / "seeds" / "grain.csv").write_text("x\n1\n")
    return folder


def invoke(project: Path, *arguments: str):
    """Run a dbt command on the small project within this process."""
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    return dbtRunner().invoke([*arguments, *folders])


@pytest.fixture(scope="module")
def reported(project) -> dict[str, list[str]]:
    """Return the lines that the check gives for each text of variables, from one dbt command."""
    cases = [yaml.safe_load(text) for text in EXPECTED]
    arguments = yaml.safe_dump({"defaults": DEFAULTS, "cases": cases}, sort_keys=False)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        result = invoke(project, "run-operation", "report", "--args", arguments)
    assert result.success, result.exception
    line = next(x for x in output.getvalue().splitlines() if "REPORT" in x)
    return dict(zip(EXPECTED, json.loads(line.partition("REPORT")[2]), strict=True))


@pytest.mark.parametrize("text", EXPECTED)
def test_check_of_the_variables(reported, text):
    """Allowed values give no line; a wrong one gives one line that says all."""
    assert reported[text] == EXPECTED[text]


@pytest.mark.parametrize("command", ["build", "run", "seed", "test", "compile"])
def test_every_command_stops_before_any_table(project, monkeypatch, command):
    """Nothing is written to the warehouse."""
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(project / "warehouse"))
    result = invoke(project, command, "--vars", "{num_products: -5, foo: 1}")
    assert not result.success
    lines = [line.strip() for line in str(result.exception).splitlines()]
    assert lines[1:3] == [
        "foo: got 1, but there is no such variable, allowed: " + ", ".join(DEFAULTS),
        message("num_products", "-5"),
    ]
    assert list((project / "warehouse").iterdir()) == []


CONSUMER = """
name: consumer
version: "1.0"
profile: stocktrue
"""


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ("{my_var: 2}", None),
        ("{my_var: 2, num_products: -5}", message("num_products", "-5")),
    ],
)
def test_a_consumer_has_variables_of_its_own(project, tmp_path, variables, problem):
    """Installed as a package, the project judges its own variables only."""
    (tmp_path / "dbt_project.yml").write_text(CONSUMER)
    (tmp_path / "packages.yml").write_text(f"packages: [{{local: '{project}'}}]")
    shutil.copy(ROOT / "profiles.yml", tmp_path)
    assert invoke(tmp_path, "deps").success
    result = invoke(tmp_path, "parse", "--vars", variables)
    assert result.success == (problem is None), result.exception
    assert problem is None or problem in str(result.exception)


def test_the_project_itself_stops_before_any_table(tmp_path):
    """No model of the project fails on a wrong value before the check reports it."""
    wrong = dict.fromkeys(DEFAULTS, "many")
    build = run_dbt(
        "build",
        "--vars",
        yaml.safe_dump(wrong),
        project=ROOT,
        target=tmp_path / "target",
        env={"STOCKTRUE_WAREHOUSE": str(tmp_path / "warehouse")},
    )
    assert build.returncode != 0
    for name in wrong:
        assert message(name, "'many'") in build.output
    assert not (tmp_path / "warehouse").exists()


def test_project_spec_and_descriptions_agree():
    """The same names in the same order, the same defaults, allowed values and meanings."""
    assert [entry["name"] for entry in SPEC] == list(DEFAULTS)
    expected = [
        f"| `{e['name']}` | {DEFAULTS[e['name']]} | {ALLOWED[e['name']]} | {e['meaning']} |"
        for e in SPEC
    ]
    for path in ("docs/variables.md", "models/overview.md"):
        lines = (ROOT / path).read_text().splitlines()
        start = lines.index(expected[0])
        assert lines[start : start + len(expected) + 1] == [*expected, ""], path


def test_variables_that_parsing_fixes_are_configuration_under_their_names():
    """Those of Python models; support.run_on_one_parse relies on it. Tests may hold others."""
    fixed = set()
    for path in sorted((ROOT / "models").rglob("*.yml")):
        for model in (yaml.safe_load(path.read_text()) or {}).get("models", []):
            for name, text in (model.get("config") or {}).items():
                if "var(" in re.sub(r"env_var\(", "", str(text)):
                    assert re.match(rf"\{{\{{ var\('{name}'\) ", text), (path.name, name)
                    assert path.with_suffix(".py").exists(), path.name
                    fixed.add(path.stem)
    assert fixed == {
        *("int_customer_lives", "int_customer_visits", "int_demand_levels", "int_cart_lines"),
        *("int_replenishment_plan", "int_allocation"),
    }
    for path in (ROOT / "models").rglob("*.sql"):
        for config in re.findall(r"\bconfig\((.*?)\)\s*\}\}", path.read_text(), re.DOTALL):
            assert "var(" not in config, path.name
    settings = {key: value for key, value in PROJECT.items() if key in ("models", "seeds")}
    assert "var(" not in re.sub(r"env_var\(", "", str(settings))
