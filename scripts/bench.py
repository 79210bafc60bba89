"""Measure builds on the embedded engine and write docs/benchmarks.md.

For each preset: seconds, rows, bytes and peak memory of every model, and the ratio of the whole
build to a reference write, which sends as many rows and columns as gold_inventory_fact has
through the same engine into the same kind of table. Then how the models' seconds grow with the
days and with the products: the exponent of a power law, about 1 when work is linear.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import yaml
from deltalake import DeltaTable

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "stocktrue"
REFERENCE = "gold_inventory_fact"
LAST_DAY = date(2025, 12, 31)
DAYS = (45, 90, 180)
PRODUCTS = (500, 1000, 2000)
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Step:
    """A model or a reference write: seconds, rows, bytes on disk and peak resident bytes."""

    name: str
    seconds: float
    rows: int
    size: int
    peak: int


@dataclass(frozen=True)
class Build:
    """A dbt run: wall and CPU seconds, nodes by kind, peak resident bytes, and its models."""

    wall: float
    cpu: float
    nodes: dict[str, int]
    peak: int
    models: list[Step]


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"bench: {datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


class Watch(threading.Thread):
    """Samples the resident memory and CPU time of a process and its children until it ends."""

    def __init__(self, process: psutil.Process):
        """Start to watch `process`."""
        super().__init__(daemon=True)
        self.process, self.cpu = process, 0.0
        self.samples: list[tuple[float, int]] = []
        self.start()

    def run(self) -> None:
        """Take a sample (seconds since the epoch, resident bytes) every SAMPLE_SECONDS."""
        while True:
            try:
                family = [self.process, *self.process.children(recursive=True)]
                resident = sum(member.memory_info().rss for member in family)
                times = self.process.cpu_times()
            except psutil.Error:
                return
            self.samples.append((time.time(), resident))
            self.cpu = times.user + times.system
            time.sleep(SAMPLE_SECONDS)

    def peak(self, start: float = 0.0, stop: float = float("inf")) -> int:
        """Return the largest sample taken between two times, 0 when there is none."""
        return max((size for at, size in self.samples if start <= at <= stop), default=0)


def table_size(folder: Path) -> tuple[int, int]:
    """Return rows and bytes of the current version of a Delta table."""
    actions = pa.table(DeltaTable(str(folder)).get_add_actions(flatten=True))
    return sum(actions["num_records"].to_pylist()), sum(actions["size_bytes"].to_pylist())


def run_dbt(command: list[str], variables: dict[str, Any], folder: Path) -> Build:
    """Run a dbt command on a fresh warehouse in `folder`; exit when it fails."""
    arguments = [str(Path(sys.executable).with_name("dbt")), *command, "--target", "local"]
    arguments += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    environment = os.environ | {
        "STOCKTRUE_WAREHOUSE": str(folder / "warehouse"),
        "STOCKTRUE_SCHEMA": SCHEMA,
    }
    start = time.time()
    with open(folder / "output.log", "w") as output:
        running = subprocess.Popen(
            [*arguments, "--vars", json.dumps(variables)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = Watch(psutil.Process(running.pid))
        status = running.wait()
    wall = time.time() - start
    if status:
        sys.exit(f"bench: dbt {' '.join(command)} failed: see {folder / 'output.log'}")
    nodes: dict[str, int] = {}
    models = []
    for result in json.loads((folder / "target" / "run_results.json").read_text())["results"]:
        kind, _, name = result["unique_id"].split(".")[:3]
        if kind != "operation":
            nodes[kind] = nodes.get(kind, 0) + 1
        if kind == "model":
            executed = next(t for t in result["timing"] if t["name"] == "execute")
            start, stop = (
                datetime.fromisoformat(executed[at]).timestamp()
                for at in ("started_at", "completed_at")
            )
            rows, size = table_size(folder / "warehouse" / SCHEMA / name)
            models.append(Step(name, stop - start, rows, size, watch.peak(start, stop)))
    return Build(wall, watch.cpu, nodes, watch.peak(), models)


def write_reference(rows: int, model: str, folder: Path) -> Step:
    """Write `rows` rows with the columns and types of a built table, nearly constant values."""
    script = """
import sys, time
from dbt.adapters.embedded.engines import start_engine
from pyspark.sql import functions as F
model, folder, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = start_engine("sail")
number = F.col("id") % 1000
plain = {"timestamp": F.lit("2025-12-31").cast("timestamp"), "boolean": number > 500,
         "date": F.lit("2025-12-31").cast("date")}
columns = [
    plain.get(field.dataType.simpleString(), number).cast(field.dataType).alias(field.name)
    for field in session.read.format("delta").load(model).schema
]
frame = session.range(rows).select(*columns)
start = time.time()
frame.write.format("delta").mode("overwrite").save(folder)
print(time.time() - start)
"""
    target = folder / "reference"
    running = subprocess.Popen(
        [sys.executable, "-c", script, model, str(target), str(rows)],
        stdout=subprocess.PIPE,
        text=True,
    )
    watch = Watch(psutil.Process(running.pid))
    seconds, _ = running.communicate()
    if running.returncode:
        sys.exit("bench: the reference write failed")
    written, size = table_size(target)
    return Step("reference write", float(seconds), written, size, watch.peak())


def measure_preset(preset: str, folder: Path) -> tuple[Build, Step]:
    """Build a preset with all its tests, then write its reference."""
    folder = folder / preset
    folder.mkdir()
    variables = yaml.safe_load((ROOT / "presets" / f"{preset}.yml").read_text())
    say(f"build of {preset}, tests included")
    build = run_dbt(["build", "--exclude-resource-type", "unit_test"], variables, folder)
    say(f"build of {preset}: {build.wall:.0f} s, {build.peak / 2**30:.1f} GiB; reference write")
    table = folder / "warehouse" / SCHEMA / REFERENCE
    reference = write_reference(table_size(table)[0], str(table), folder)
    shutil.rmtree(folder)
    return build, reference


def measure_growth(
    name: str, sizes: tuple[int, ...], variables_of: Callable[[int], dict[str, Any]], folder: Path
) -> list[float]:
    """Return the models' seconds in total for each size of a world."""
    totals = []
    for size in sizes:
        say(f"models with {size} {name}")
        target = folder / f"{name}_{size}"
        target.mkdir()
        run_dbt(["seed"], variables_of(size), target)
        run = run_dbt(["run"], variables_of(size), target)
        totals.append(sum(model.seconds for model in run.models))
        shutil.rmtree(target)
    return totals


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Return the slope of log seconds over log size (least squares)."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def step_row(step: Step) -> str:
    """Return a row of the Markdown table of steps."""
    return (
        f"| `{step.name}` | {step.seconds:.1f} | {step.rows:,} | "
        f"{step.rows / max(step.seconds, 0.01):,.0f} | {step.size / 1e6:,.1f} | "
        f"{step.peak / 2**30:.2f} |"
    )


def preset_section(preset: str, build: Build, reference: Step) -> list[str]:
    """Return the Markdown of one preset."""
    nodes = ", ".join(f"{count} {kind}s" for kind, count in build.nodes.items())
    models = sorted(build.models, key=lambda model: -model.seconds)
    return [
        f"## `make build PRESET={preset}`",
        "",
        f"{nodes}: **{build.wall:.0f} s** wall, {build.cpu:.0f} s CPU, peak "
        f"**{build.peak / 2**30:.1f} GiB** resident. The reference write, {reference.rows:,} rows "
        f"with the columns of `{REFERENCE}`, took {reference.seconds:.1f} s: the build costs "
        f"**{build.wall / reference.seconds:.1f}** reference writes.",
        "",
        "Two models run at a time, so their seconds add up to more than the wall time and their "
        "peaks are those of the process while they ran.",
        "",
        "| model | seconds | rows | rows/s | MB | peak GiB |",
        "|---|---:|---:|---:|---:|---:|",
        *(step_row(model) for model in models),
        step_row(
            Step(
                "all models",
                sum(model.seconds for model in models),
                sum(model.rows for model in models),
                sum(model.size for model in models),
                build.peak,
            )
        ),
        step_row(reference),
        "",
    ]


def growth_section(growth: dict[str, tuple[tuple[int, ...], list[float]]]) -> list[str]:
    """Return the Markdown of the growth runs."""
    lines = [
        "## Growth",
        "",
        "Seconds of all models together, without tests, when one size of the default world changes "
        "(2,000 products, 50 locations, 90 days). An exponent of 1 is linear; fixed costs of small "
        "worlds pull it below.",
        "",
        "| size | seconds | exponent |",
        "|---|---|---:|",
    ]
    for name, (sizes, seconds) in growth.items():
        pairs = ", ".join(
            f"{size:,}: {total:.1f} s" for size, total in zip(sizes, seconds, strict=True)
        )
        lines.append(f"| {name} | {pairs} | {exponent(sizes, seconds):.2f} |")
    return [*lines, ""]


def header() -> list[str]:
    """Return the Markdown that says where and when."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ("dbt-core", "pysail", "pyarrow", "numpy")
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`. Compare ratios, not seconds, between machines.",
        "",
        f"{date.today()}; {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()}; Python {platform.python_version()}, "
        + ", ".join(f"{package} {version(package)}" for package in packages)
        + ".",
        "",
    ]


def main() -> None:
    """Measure what was asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="*", default=["small", "medium", "large"])
    parser.add_argument("--no-growth", action="store_true", help="presets only")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.md")
    arguments = parser.parse_args()
    lines = header()
    with tempfile.TemporaryDirectory(prefix="stocktrue-bench-", dir=ROOT / "target") as scratch:
        folder = Path(scratch)
        for preset in arguments.presets:
            lines += preset_section(preset, *measure_preset(preset, folder))
        if not arguments.no_growth:

            def window(days: int) -> dict[str, Any]:
                first = date.fromordinal(LAST_DAY.toordinal() - days + 1)
                return {"start_date": str(first), "date_range_days": days}

            lines += growth_section(
                {
                    "days": (DAYS, measure_growth("days", DAYS, window, folder)),
                    "products": (
                        PRODUCTS,
                        measure_growth(
                            "products", PRODUCTS, lambda size: {"num_products": size}, folder
                        ),
                    ),
                }
            )
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text("\n".join(lines))
    print("\n".join(lines))
    say(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
