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


def test_actions_are_pinned_by_commit():
    """A tag can be moved to other code; the comment says which one the commit had."""
    uses = re.findall(r"^ *(?:- )?uses: *(.*)$", TEXT, re.MULTILINE)
    assert len(uses) == sum("uses" in step for job in JOBS.values() for step in job["steps"])
    pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
    assert [name for name in uses if not pinned.fullmatch(name)] == []


@pytest.mark.parametrize("job", JOBS)
def test_only_the_publishing_job_may_write(job):
    rights = JOBS[job].get("permissions", {})
    writes = {right for right, access in rights.items() if access == "write"}
    assert writes == ({"pages", "id-token"} if job == "docs" else set())
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
