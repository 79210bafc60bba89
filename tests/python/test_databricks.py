"""The Databricks target: dbt-databricks builds the tiny world on a stand-in for a workspace.

What that shows and what only a workspace can show is in docs/databricks.md.
"""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import forks
import pytest
import sqlglot
import yaml
from databricks.sdk.service.jobs import JobSettings
from databricks_stand_in import server
from databricks_stand_in.workspace import Workspace
from dbt.adapters.embedded import engines
from dbt.adapters.embedded.warehouse import Warehouse
from dbt.config.utils import parse_cli_vars
from deltalake import DeltaTable
from pyarrow import parquet
from support import (
    OTHER_PLAN,
    ROOT,
    SCHEMA,
    SPARK_ENV,
    TINY_VARS,
    World,
    content,
    run_dbt,
    run_on_one_parse,
)
from test_append import HISTORY, QUALITY, append, closings
from test_contracts import CONTRACTS, PUBLISHED

CATALOG = "retail"
# The last days of the tiny preset, which the daily job appends; `make soak` asks for five of them.
MORNINGS = int(os.environ.get("STOCKTRUE_MORNINGS", "2"))
FIRST_DAYS = TINY_VARS["date_range_days"] - MORNINGS
PYTHON_MODELS = {
    *("int_customer_lives", "int_customer_visits", "int_demand_levels", "int_cart_lines"),
    *("int_replenishment_plan", "int_allocation"),
}
COUNTED = """
def model(dbt, session):
    return session.range(3)
"""
KEYS = """
models:
  - name: parent
    config: {contract: {enforced: true}}
    constraints: [{type: primary_key, name: parent_pk, columns: [id]}]
    columns: [{name: id, data_type: int, constraints: [{type: not_null}]}]
  - name: child
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, name: child_pk, columns: [id]}
      - {type: foreign_key, name: child_fk, columns: [id], to: ref('parent'), to_columns: [id]}
    columns: [{name: id, data_type: int, constraints: [{type: not_null}]}]
"""

# What dbt-databricks, not the project, writes and the parsers do not know: Databricks has more than
# Apache Spark, and sqlglot passes some of it on unread.
UNKNOWN_TO_SPARK = re.compile(
    r"(alter table \S+ (set tags|add constraint)|comment on column|optimize"
    r"|insert into \S+ by name\s+replace where)\b",
    re.IGNORECASE,
)
UNKNOWN_TO_SQLGLOT = re.compile(
    r"(alter table \S+ change column \S+ set not null|optimize|show (schemas|tblproperties))\b",
    re.IGNORECASE,
)


@dataclass
class Site:
    """A stand-in that serves, and how dbt reaches it."""

    workspace: Workspace
    profiles: Path
    env: dict[str, str]
    folder: Path


@contextmanager
def stand_in(folder: Path) -> Iterator[Site]:
    """Serve a stand-in; the project's own profile is told where it listens.

    Its engine is one of its own, which splits the data otherwise than that of the tiny world.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in OTHER_PLAN.items():
            patch.setenv(name, value)
        patch.setattr(engines, "_sail_server", None)
        warehouse = Warehouse(engines.start_engine("sail"), "sail", folder / "warehouse")
        engine = engines._sail_server
    workspace = Workspace(warehouse, CATALOG)
    with server.serve(workspace) as address:
        profiles = yaml.safe_load((ROOT / "profiles.yml").read_text())
        output = profiles["stocktrue"]["outputs"]["databricks"]
        # The connector would speak TLS to port 443 of the host.
        output["connection_parameters"] = {"_connection_uri": address + server.HTTP_PATH}
        (folder / "profiles.yml").write_text(yaml.safe_dump(profiles))
        env = {
            "DATABRICKS_HOST": address,
            "DATABRICKS_HTTP_PATH": server.HTTP_PATH,
            "DATABRICKS_CATALOG": CATALOG,
            "DATABRICKS_CLIENT_ID": server.CLIENT_ID,
            "DATABRICKS_CLIENT_SECRET": server.CLIENT_SECRET,
            "STOCKTRUE_SCHEMA": SCHEMA,
            "DBT_LOG_LEVEL_FILE": "none",  # takes a tenth of dbt's time here
        }
        yield Site(workspace, folder, env, folder)
    warehouse.session.stop()  # else it stays PySpark's default in this process
    engine.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the stand-in that the project is built on."""
    with stand_in(tmp_path_factory.mktemp("databricks")) as site:
        yield site


def run_on(site: Site, *commands: list[str]) -> None:
    """Run dbt commands in one process; a world that begins in it has the first days alone.

    Eight threads build, as the profile says. The report needs a parse without variables.
    """
    done = run_on_one_parse(
        *commands,
        parsed=("databricks", {}),
        run=("databricks", TINY_VARS | {"date_range_days": FIRST_DAYS}),
        target=site.folder / "run",
        profiles=site.profiles,
        env=site.env,
    )
    assert done.returncode == 0, done.output[-6000:]


@pytest.fixture(scope="module")
def notebooks(site):
    """Return the code of each Python model as a whole build uploads it, in the order of the runs.

    Seeds and models are built, and every test and query is compiled.
    """
    run_on(site, ["seed"], ["run", "--exclude", "path:models/quality"], ["compile"])
    return {path.rsplit("/", 1)[1]: code for path, code in site.workspace.notebooks.items()}


@pytest.fixture(scope="module")
def days(notebooks):
    """Return the last day of the build and the days after it that are appended."""
    last = date.fromisoformat(TINY_VARS["start_date"]) + timedelta(TINY_VARS["date_range_days"] - 1)
    return [last - timedelta(back) for back in range(MORNINGS, -1, -1)]


@pytest.fixture(scope="module")
def built(site, bundle, days):
    """Return the site after the daily job has run on each of some mornings.

    On the second one, a statement is cancelled while others go on, and the job is tried again.
    """
    (command,) = bundle["resources"]["jobs"]["stocktrue"]["tasks"][0]["dbt_task"]["commands"]
    job = shlex.split(command.partition(" --vars ")[0])[1:]
    if MORNINGS == 2:
        job[0] = "run"  # the data tests would take as long again
    mornings = [append("", str(day), *job) for day in days[1:]]
    mornings.insert(1, ["!", *mornings[1]])
    site.workspace.refused_once.append(changed_after("gold_sales_fact", days[1]))
    run_on(site, *mornings, QUALITY)
    return site


def changed_after(table: str, closed: date) -> str:
    """Return the pattern of the statement with which an append writes the days after one."""
    name = f"`{CATALOG}`.`{SCHEMA}`.`{table}`"
    return rf"insert into {name} by name replace where \(date_key > {closed:%Y%m%d}\) .*"


@pytest.fixture(scope="module")
def statements(built):
    """Return what was sent while building, and every compiled model, test and query."""
    files = (built.folder / "run" / "compiled").rglob("*.sql")
    texts = {*built.workspace.statements, *(path.read_text() for path in files)}
    return sorted(text for text in texts if text.strip())


def test_tables_are_those_of_the_embedded_engine(built, tiny_world):
    """Seeds included: they travel as text in insert statements.

    The days of the mornings are those of a world that is built at once, and neither eight threads
    nor other partitions change a row.
    """
    other = World(built.workspace.warehouse.root)
    names = sorted({name for _, name in built.workspace.tables} - {*HISTORY})
    assert {*PUBLISHED} - {*HISTORY} < set(names)
    differing = [
        name for name in names if content(other.table(name)) != content(tiny_world.table(name))
    ]
    assert differing == []


def test_a_failed_morning_is_finished_by_its_retry(built, days):
    """It had written some tables, which the retry did again, and no day is told of twice."""
    site, (begun, closed) = built, days[:2]
    assert site.workspace.refused_once == []
    flat = [" ".join(text.split()) for text in site.workspace.statements]
    for table in ("int_allocation", "gold_sales_fact"):
        written = re.compile(changed_after(table, closed), re.IGNORECASE)
        assert len([text for text in flat if written.fullmatch(text)]) == 2, table
    told = [
        (row["last_closed_date"], row["days_added"])
        for row in closings(World(site.workspace.warehouse.root))
    ]
    assert told == [(begun, FIRST_DAYS), *((day, 1) for day in days[1:])]


@pytest.mark.parametrize("table", PUBLISHED)
def test_published_tables_in_the_catalog(built, manifest, table):
    """Keys, not-null columns, comments, change data feed and tags of a table."""
    made = built.workspace.tables[SCHEMA, table]
    contract, model = CONTRACTS[table], manifest["nodes"][f"model.stocktrue.{table}"]
    assert made.primary_key == tuple(contract["primary_key"])
    assert made.foreign_keys == {
        (column,): (target.split(".")[0], (target.split(".")[1],))
        for column, target in contract.get("foreign_keys", {}).items()
    }
    assert f"{table}_pk" in made.constraints
    required = {n for n, column in contract["columns"].items() if column.endswith("not null")}
    assert required <= made.not_null
    assert made.comment == model["description"]
    # The adapter sends a description of several lines as one.
    assert made.column_comments == {
        name: column["description"].replace("\n", " ") for name, column in model["columns"].items()
    }
    assert made.properties == {"delta.enableChangeDataFeed": "true"}
    assert made.tags == {"project": "stocktrue", "layer": model["fqn"][1]}


def test_columns_of_private_models_have_no_comments(built):
    """Each comment is a statement of its own, and nobody else reads these tables."""
    private = [t for (_, name), t in built.workspace.tables.items() if name.startswith("int_")]
    assert len(private) > 20
    assert all(table.comment and not table.column_comments for table in private)


def test_large_tables_are_clustered_and_optimized(built):
    clustered = {n: t.cluster_by for (_, n), t in built.workspace.tables.items() if t.cluster_by}
    assert {"gold_inventory_fact", "gold_sales_fact", "gold_customer_event_fact"} < set(clustered)
    assert clustered["gold_inventory_fact"] == ["date_key", "location_key"]
    assert all(built.workspace.tables[SCHEMA, name].optimized for name in clustered)


def test_compute_is_configured_for_python_models_alone(manifest):
    """SQL runs on the warehouse, which takes none of it."""
    keys = {
        *("submission_method", "timeout", "environment_key", "python_job_config"),
        "job_cluster_config",
    }
    configured = {
        node["name"]: keys & set(node["config"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    assert {n: found for n, found in configured.items() if found} == dict.fromkeys(
        PYTHON_MODELS, keys
    )


def test_python_models_run_as_serverless_notebooks(built, notebooks):
    assert set(notebooks) == PYTHON_MODELS
    for run in built.workspace.runs:
        assert not run.error
        (environment,) = run.request["environments"]
        (task,) = run.request["tasks"]
        assert task["environment_key"] == environment["environment_key"]
        assert int(environment["spec"]["environment_version"]) >= 4
        assert "new_cluster" not in task


@pytest.fixture(scope="module")
def small_site(stub, tmp_path_factory):
    """Return a stand-in with models that are parsed sooner than the project, by its own file.

    First all of them are built, then one in another schema with --defer. These runs sign in with
    a token, the others by OAuth as a service principal.
    """
    folder = tmp_path_factory.mktemp("small")
    project = folder / "project"
    shutil.copytree(stub, project)
    # By its name and folder it is configured as the project's own.
    (project / "models" / "demand").mkdir()
    (project / "models" / "demand" / "int_cart_lines.py").write_text(COUNTED)
    (project / "models" / "parent.sql").write_text("select 1 as id")
    (project / "models" / "child.sql").write_text("select id from {{ ref('parent') }}")
    (project / "models" / "keys.yml").write_text(KEYS)
    env = {
        "DATABRICKS_TOKEN": server.ACCESS_TOKEN,
        "DATABRICKS_CLIENT_ID": "",
        "DATABRICKS_CLIENT_SECRET": "",
        "STOCKTRUE_PYTHON_COMPUTE": "job_cluster",
        "STOCKTRUE_NODE_TYPE": "large",
        "STOCKTRUE_WORKERS": "5",
    }
    with stand_in(folder) as site:
        for schema, target, *options in (
            (SCHEMA, "state"),
            ("other", "target", "--select", "child", "--defer", "--state", folder / "state"),
        ):
            run = run_dbt(
                *("run", *options),
                project=project,
                target=folder / target,
                engine="databricks",
                profiles=site.profiles,
                env={**site.env, **env, "STOCKTRUE_SCHEMA": schema},
            )
            assert run.returncode == 0, run.output
    return site


def test_python_models_run_on_a_job_cluster(small_site):
    (request,) = [each.request for each in small_site.workspace.runs]
    (task,) = request["tasks"]
    cluster = task["new_cluster"]
    assert (cluster["node_type_id"], cluster["num_workers"]) == ("large", 5)
    assert int(cluster["spark_version"].split(".")[0]) >= 17
    assert "environment_key" not in task
    assert "environments" not in request


def test_deferred_tables_refer_to_nobody_elses(small_site):
    """A foreign key on a table of the state needs the rights of that table's owner."""
    own, deferred = (small_site.workspace.tables[schema, "child"] for schema in (SCHEMA, "other"))
    assert own.foreign_keys == {("id",): ("parent", ("id",))}
    assert deferred.foreign_keys == {}
    assert deferred.primary_key == own.primary_key == ("id",)


def test_report_is_drawn_from_its_tables(built, tmp_path):
    """The queries of `make report` run through dbt-databricks, and their rows come back typed."""
    page = tmp_path / "report.html"
    done = forks.run(
        *("report", "--target", "databricks", "--output", page),
        cwd=ROOT,
        env={**os.environ, **built.env, "DBT_PROFILES_DIR": str(built.profiles)},
    )
    assert done.returncode == 0, done.stderr
    html = page.read_text()
    assert "<dt>Engine</dt><dd>Databricks</dd>" in html
    assert "make build PRESET=tiny TARGET=databricks" in html


def test_every_statement_parses_as_databricks_sql(statements):
    assert len(statements) > 1000
    refused = []
    for statement in statements:
        if UNKNOWN_TO_SQLGLOT.match(statement):
            continue
        try:
            parsed = sqlglot.parse_one(statement, dialect="databricks")
        except sqlglot.ParseError as error:
            refused.append(f"{error}\n{statement}")
            continue
        if isinstance(parsed, sqlglot.exp.Command):  # what sqlglot passes on unread
            refused.append(statement)
    assert refused == []


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")
def test_apache_spark_parses_the_statements_and_runs_the_notebooks(
    statements, notebooks, tiny_world, tmp_path
):
    """One process for both: starting Java takes a while."""
    inputs = set()
    for code in notebooks.values():
        (refs,) = re.findall(r"refs = (\{.*?\})\n", code, re.DOTALL)
        inputs |= {name.split(".")[-1].strip("`") for name in ast.literal_eval(refs).values()}
    tables = {
        name: [unquote(uri) for uri in DeltaTable(tiny_world.warehouse / SCHEMA / name).file_uris()]
        for name in sorted(inputs)
    }
    request = {
        "statements": [text for text in statements if not UNKNOWN_TO_SPARK.match(text)],
        "catalog": CATALOG,
        "schema": SCHEMA,
        "tables": tables,
        "notebooks": notebooks,
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "databricks_stand_in.on_spark"),
            *(tmp_path / "request.json", tmp_path / "warehouse"),
        ],
        env={
            **os.environ,
            **SPARK_ENV,
            "PYTHONPATH": f"{SPARK_ENV['PYTHONPATH']}{os.pathsep}{Path(__file__).parent}",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"refused": [], "errors": {}}
    for name in notebooks:
        folder = tmp_path / "warehouse" / SCHEMA / name
        version = (folder / "_current").read_text().strip()
        assert content(parquet.read_table(folder / version)) == content(tiny_world.table(name))


def test_a_missing_variable_is_named(tmp_path, monkeypatch):
    output = yaml.safe_load((ROOT / "profiles.yml").read_text())["stocktrue"]["outputs"]
    needed = set(re.findall(r"env_var\('(\w+)'\)", str(output["databricks"])))
    assert needed == {"DATABRICKS_HOST", "DATABRICKS_HTTP_PATH", "DATABRICKS_CATALOG"}
    for name in needed:
        monkeypatch.delenv(name, raising=False)
    run = run_dbt("parse", project=ROOT, target=tmp_path, engine="databricks")
    assert run.returncode == 2
    assert re.search(r"Env var required but not provided: 'DATABRICKS_\w+'", run.output)


@pytest.fixture(scope="module")
def bundle():
    """Return the asset bundle, its references unresolved."""
    return yaml.safe_load((ROOT / "databricks.yml").read_text())


def test_jobs_of_the_bundle_are_those_of_the_jobs_api(bundle):
    """The SDK drops what the API does not know, and nothing may be dropped."""
    assert set(bundle["resources"]["jobs"]) == {"stocktrue", "stocktrue_start"}
    for job in bundle["resources"]["jobs"].values():
        assert JobSettings.from_dict(job).as_dict() == job
        (task,) = job["tasks"]
        (environment,) = job["environments"]
        assert task["environment_key"] == environment["environment_key"]


def test_bundle_pins_the_packages_of_the_project(bundle):
    pinned = set(re.findall(r'"([\w-]+==[\w.]+)"', (ROOT / "pyproject.toml").read_text()))
    for job in bundle["resources"]["jobs"].values():
        dependencies = set(job["environments"][0]["spec"]["dependencies"])
        assert {name.split("==")[0] for name in dependencies} == {"dbt-core", "dbt-databricks"}
        assert dependencies <= pinned


def test_references_of_the_bundle_resolve(bundle):
    text = (ROOT / "databricks.yml").read_text()
    known = {f"var.{name}" for name in bundle["variables"]}
    known |= {"bundle.name", "bundle.target"}
    known |= {f"workspace.current_user.{name}" for name in ("short_name", "userName")}
    assert set(re.findall(r"\$\{([^}]+)\}", text)) <= known
    assert set(bundle["targets"]["dev"]["variables"]) <= set(bundle["variables"])


@pytest.mark.parametrize("preset", ["tiny", "small", "medium", "large"])
def test_commands_of_the_bundle_take_the_variables_of_a_preset(bundle, preset):
    """The variables stand in single quotes; --params takes text with one equals sign at most."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "run_vars.py"],
        env={**os.environ, "PRESET": preset, "VARS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    variables = done.stdout.strip()
    assert "=" not in variables
    jobs = bundle["resources"]["jobs"]
    for name, reference, more in (
        ("stocktrue", "${var.vars}", {"append_to": "yesterday"}),
        ("stocktrue_start", "{{job.parameters.vars}}", {"end_date": "yesterday"}),
    ):
        (command,) = jobs[name]["tasks"][0]["dbt_task"]["commands"]
        words = shlex.split(command.replace(reference, variables))
        assert words[:2] == ["dbt", "build"]
        given = parse_cli_vars(words[words.index("--vars") + 1])
        assert given == {**json.loads(variables), **more}
        assert given["num_products"] > 0


def test_a_failed_append_is_tried_again_and_a_world_is_not_begun_again(bundle):
    """An append completes what another one began; a build anew is for whoever asks for it."""
    jobs = bundle["resources"]["jobs"]
    (append,), (start,) = jobs["stocktrue"]["tasks"], jobs["stocktrue_start"]["tasks"]
    assert append["max_retries"] > 0
    assert "--selector append" in append["dbt_task"]["commands"][0]
    assert "--full-refresh" not in append["dbt_task"]["commands"][0]
    assert "--full-refresh" in start["dbt_task"]["commands"][0]
    assert "max_retries" not in start
    assert "schedule" not in jobs["stocktrue_start"]
