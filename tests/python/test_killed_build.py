"""A build that is killed loses nothing: the tables stay readable, the next build completes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kept_parse
from deltalake import DeltaTable
from support import ROOT, SCHEMA, TINY_VARS, World, content, run_dbt

MODELS = ("int_allocation", "gold_sales_fact")
# When a model is killed: files that appear in its folder then, besides the line that it starts.
MOMENTS = {"begun": None, "writing": "*.parquet", "committed": "_delta_log/*.json"}


def kill_while_building(model, files, world, environment, target):
    """Start dbt on one model and kill -9 the process once the model has begun and added `files`."""
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "run"]
    command += ["--select", model, "--target-path", str(target), "--log-path", str(target)]
    command += ["--vars", (ROOT / "presets" / "tiny.yml").read_text()]
    kept_parse.link(target, kept_parse.kept_file("local", TINY_VARS, environment))
    before = set(world.folder(model).glob(files)) if files else set()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    for line in process.stdout:
        if "START" in line and model in line:
            break
    while files and process.poll() is None and not set(world.folder(model).glob(files)) - before:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "dbt ended before it was killed"
    process.stdout.close()


def test_killed_build_leaves_every_table_whole(tiny_world, tmp_path):
    shutil.copytree(tiny_world.warehouse, tmp_path / "warehouse")
    world = World(tmp_path / "warehouse")
    names = sorted(path.name for path in (world.warehouse / SCHEMA).iterdir() if path.is_dir())

    def state():
        rows = {name: world.table(name).num_rows for name in names}
        return rows, [content(world.table(name)) for name in MODELS]

    before = state()
    settings = {"STOCKTRUE_WAREHOUSE": str(world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA}
    versions = DeltaTable(world.folder("gold_sales_fact")).version()
    for model, moment in (
        ("int_allocation", "begun"),
        ("int_allocation", "writing"),
        ("gold_sales_fact", "committed"),
    ):
        environment = {**os.environ, **settings}
        kill_while_building(model, MOMENTS[moment], world, environment, tmp_path / "target")
        assert state() == before, f"{model} killed when {moment}"
    assert DeltaTable(world.folder("gold_sales_fact")).version() == versions + 1

    again = run_dbt(
        *("run", "--select", *MODELS),
        *("--vars", (ROOT / "presets" / "tiny.yml").read_text()),
        project=ROOT,
        target=tmp_path / "target",
        env=settings,
    )
    assert again.returncode == 0, again.output[-6000:]
    assert state() == before
