"""Fixtures shared by the Python tests: models by path, the manifest, the tiny tables."""

import importlib.util
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browser import COMMANDS, Browser, find_chromium
from support import ROOT, SCHEMA, TINY_VARS, DbtRun, Fingerprints, World, run_dbt
from xdist.scheduler import LoadScopeScheduling

# What starts the tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """Add the option of test_fingerprints.py."""
    parser.addoption(
        "--renew-fingerprints",
        action="store_true",
        help="record the fingerprints of the tiny preset after an intended change of its data",
    )


# What takes longest begins first, so that no core is idle at the end.
FIRST = (
    *("test_engines.py", "test_databricks.py", "test_reproducibility.py", "test_replacement.py"),
    *("test_append.py", "test_scenario.py", "test_slim.py", "test_build.py", "test_incremental.py"),
)
# Files whose tests share nothing that takes long to make: each test may run on another core.
APART = ("test_reproducibility.py", "test_replacement.py", "test_build.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make unit` leaves out, and sort all for several processes."""
    for item in items:
        if "tiny_world" in item.fixturenames:
            item.add_marker("tables")
    items.sort(key=lambda item: (*FIRST, item.path.name).index(item.path.name))


def pytest_configure(config: pytest.Config) -> None:
    """With several processes, whose dots say little, tell which file begins."""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config))


class ByFile(LoadScopeScheduling):
    """Gives the tests of a file to one process, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return nodeid if Path(file).name in APART else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Let several processes share the tests, those that share fixtures in one of them."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


class Progress:
    """Prints the name of each file when the first of its tests begins."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begun: set[str] = set()

    def pytest_runtest_logstart(self, location: tuple[str, int | None, str]) -> None:
        """Take the start of a test in one of the processes."""
        if location[0] not in self._begun:
            self._begun.add(location[0])
            reporter = self._config.pluginmanager.get_plugin("terminalreporter")
            reporter.ensure_newline()
            reporter.write_line(location[0])


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def load_model():
    """Return a function that imports a Python model, given its path below the repository."""

    def load(path: str) -> ModuleType:
        file = ROOT / path
        spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path), file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def parsed(tmp_path_factory) -> DbtRun:
    """Return a parse of the project with the variables of the tiny preset, as of its build."""
    target = tmp_path_factory.mktemp("parse")
    run = run_dbt("parse", "--vars", json.dumps(TINY_VARS), project=ROOT, target=target)
    assert run.returncode == 0, run.output
    return run


@pytest.fixture(scope="session")
def manifest(parsed) -> dict:
    """Return the manifest of the project with the variables of the tiny preset."""
    return parsed.manifest()


@pytest.fixture(scope="session")
def stub(tmp_path_factory) -> Path:
    """Return a project with the real variables, hooks and macros but no model: it parses fast."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "macros").mkdir()
    for path in (ROOT / "macros").glob("*.sql"):
        shutil.copy(path, folder / "macros")
    for name in ("dbt_project.yml", "profiles.yml", "models/groups.yml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> World:
    """Return the tables of the tiny preset: those of `make test`, else of a build made here."""
    if built := os.environ.get("STOCKTRUE_TINY_WAREHOUSE"):
        return World(Path(built))
    folder = tmp_path_factory.mktemp("tiny")
    build = run_dbt(
        "build",
        "--vars",
        json.dumps(TINY_VARS),
        project=ROOT,
        target=folder / "target",
        env={"STOCKTRUE_WAREHOUSE": str(folder / "warehouse"), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert build.returncode == 0, build.output[-6000:]
    return World(folder / "warehouse")


@pytest.fixture(scope="session")
def tiny_fingerprints(tiny_world, tmp_path_factory) -> Fingerprints:
    """Return the fingerprints of the tiny preset's tables, int_ tables included."""
    return tiny_world.fingerprints(tmp_path_factory.mktemp("fingerprints"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Browser:
    """Return a headless browser; without one installed, tests are skipped, and fail in CI."""
    command = find_chromium()
    if not command:
        missing = f"no browser found: install one of {', '.join(COMMANDS)}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return Browser(command, tmp_path_factory.mktemp("browser"))
