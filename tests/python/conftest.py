"""Fixtures shared by the Python tests: models by path, the manifest, the tiny tables."""

import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browser import COMMANDS, Browser, find_chromium
from support import ROOT, SCHEMA, DbtRun, Fingerprints, World, run_dbt


def pytest_addoption(parser):
    """Add the option of test_fingerprints.py."""
    parser.addoption(
        "--renew-fingerprints",
        action="store_true",
        help="record the fingerprints of the tiny preset after an intended change of its data",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make unit` leaves out."""
    for item in items:
        if "tiny_world" in item.fixturenames:
            item.add_marker("tables")


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
    """Return a parse of the project with its default variables."""
    run = run_dbt("parse", project=ROOT, target=tmp_path_factory.mktemp("parse"))
    assert run.returncode == 0, run.output
    return run


@pytest.fixture(scope="session")
def manifest(parsed) -> dict:
    """Return the manifest of the project with its default variables."""
    return parsed.manifest()


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> World:
    """Return the tables of the tiny preset: those of `make test`, else of a build made here."""
    if built := os.environ.get("STOCKTRUE_TINY_WAREHOUSE"):
        return World(Path(built))
    folder = tmp_path_factory.mktemp("tiny")
    build = run_dbt(
        "build",
        "--vars",
        (ROOT / "presets" / "tiny.yml").read_text(),
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
