"""A build that is killed loses nothing: the tables stay readable, the next build completes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import kept_parse
from support import ROOT, SCHEMA, TINY_VARS, World, run_dbt

MODELS = ("int_allocation", "gold_sales_fact")


def kill_while_building(model, environment, target):
    """Start dbt on one model and kill -9 the process as soon as the model has begun."""
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "run"]
    command += ["--select", model, "--target-path", str(target), "--log-path", str(target)]
    command += ["--vars", (ROOT / "presets" / "tiny.yml").read_text()]
    kept_parse.link(target, kept_parse.kept_file("local", TINY_VARS, environment))
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    for line in process.stdout:
        if "START" in line and model in line:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "dbt ended before it was killed"
    process.stdout.close()


def test_killed_build_leaves_every_table_readable(tiny_world, tmp_path):
    shutil.copytree(tiny_world.warehouse, tmp_path / "warehouse")
    world = World(tmp_path / "warehouse")
    names = sorted(path.name for path in (world.warehouse / SCHEMA).iterdir() if path.is_dir())
    before = {name: world.table(name).num_rows for name in names}
    settings = {"STOCKTRUE_WAREHOUSE": str(world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA}

    for model in MODELS:
        kill_while_building(model, {**os.environ, **settings}, tmp_path / "target")
        assert {name: world.table(name).num_rows for name in names} == before

    again = run_dbt(
        *("run", "--select", *MODELS),
        *("--vars", (ROOT / "presets" / "tiny.yml").read_text()),
        project=ROOT,
        target=tmp_path / "target",
        env=settings,
    )
    assert again.returncode == 0, again.output[-6000:]
    assert {name: world.table(name).num_rows for name in names} == before
