"""The workflow of the hosted CI calls what this repository has, with as few rights as it needs."""

import re

import pytest
import yaml
from support import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
JOBS = yaml.safe_load(TEXT)["jobs"]
TARGETS = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
COMMANDS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_commands_exist():
    called = {name for text in COMMANDS for name in re.findall(r"\bmake (\w+)", text)}
    assert {"lint", "unit", "slim", "build", "docs"} <= called <= set(TARGETS)
    assert ".ci/run" in COMMANDS
    assert (ROOT / ".ci" / "run").exists()


def test_actions_are_pinned_by_major_version():
    uses = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert uses
    assert [name for name in uses if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


@pytest.mark.parametrize("job", JOBS)
def test_only_the_publishing_job_may_write(job):
    rights = JOBS[job].get("permissions", {})
    writes = {right for right, access in rights.items() if access == "write"}
    assert writes == ({"pages", "id-token"} if job == "docs" else set())
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
