"""Mistreat builds of tiny worlds on the embedded engine, and check that nothing is lost.

    python scripts/soak.py --kills 100 --appends 50 --interrupts 20 --pairs 10 --disk 1
        --worlds 200 --simulations 5000 --grow small --mornings 5

kills        SIGKILL at a random moment of a build
appends      likewise of an append of days to a world that grows, see soak_appends.py
interrupts   SIGINT likewise, to the process or to its group: dbt must end soon, without a traceback
pairs        two builds at once into one schema: exactly one is refused, with a line
disk         a disk that gets full (a small tmpfs; for root on Linux, skipped elsewhere)
worlds       builds with random variables, tests included, each green or refused with a line
simulations  of random shops, without a warehouse: int_allocation must agree with the naive
             simulator line by line, by the tests of `make test` with other seeds, and on a quarter
             as many when the last days are appended
grow         a preset, whose world is made at once and by appending days: 80 and ten times one are
             90, and so are 60 and 30
mornings     of the daily job on the stand-in for Databricks, data tests included, one cancelled and
             tried again: the tables are those of a world built at once

The builds are by turns of two worlds that differ in their seed. After each fault every table must
be readable and wholly of one of the two worlds; the next build must give the fingerprints of its
world. What fails is printed and counted, and the exit status tells whether anything has.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import run_vars
import soak_appends
import stoppable

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "soak"
SEEDS = (42, 43)
REFUSED = "is being built by process"
# From SIGINT to the end of dbt.
STOP_SECONDS = 10
# The largest sizes of a random world, so that each takes a minute or so.
CAPS = {
    "date_range_days": 120,
    "num_customers": 2000,
    "num_products": 200,
    "num_locations": 12,
    "demand_intensity": 2,
}
# Simulations of one seed, which are repeated together.
SIMULATIONS = 250
SIMULATION_TESTS = (
    "test_random_worlds_agree_line_by_line",
    "test_appended_days_are_those_of_one_run",
)

Fingerprints = dict[str, tuple[int, str]]


@dataclass
class Ended:
    """A dbt command that has ended: its exit status (negative: a signal) and its output."""

    status: int
    output: str


@dataclass
class Soak:
    """Builds into one warehouse, all with the same models."""

    folder: Path
    select: list[str] = field(default_factory=list)
    worlds: dict[int, Fingerprints] = field(default_factory=dict)
    seconds: float = 0
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # How many appends are killed in all, and the world that they are of.
    appends: int = 0
    growing: soak_appends.Growing = field(init=False)

    FINGERPRINT: ClassVar = (
        *("--quiet", "run-operation", "fingerprint"),
        *("--args", "{intermediate: true, format: json}"),
    )

    def start(self, seed: int, *command: str, name: str = "build") -> subprocess.Popen[bytes]:
        """Start a dbt command on the tiny world of a seed, in a process group of its own."""
        return self.start_with({"random_seed": seed}, *command, name=name)

    def start_with(
        self, changed: dict[str, Any], *command: str, name: str, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a dbt command with variables over those of tiny, and others of the environment."""
        target = self.folder / name
        target.mkdir(parents=True, exist_ok=True)
        environ = {
            **os.environ,
            "PRESET": "tiny",
            "VARS": json.dumps(changed),
            "STOCKTRUE_WAREHOUSE": str(self.folder / "warehouse"),
            "STOCKTRUE_SCHEMA": "soak",
            "DBT_LOG_PATH": str(target),
            **environment,
        }
        with (target / "output").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "run_dbt.py"), "local", target, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environ,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what has been started and still runs: Ctrl-C does not come to it."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait(
        self, process: subprocess.Popen[bytes], timeout: float = 1800, name: str = "build"
    ) -> Ended:
        """Wait for a command; one that does not end in time is killed."""
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ended(process.returncode, (self.folder / name / "output").read_text())

    def models(self) -> list[str]:
        """Return the dbt command that builds the tables without testing them."""
        command = ["build", "--exclude-resource-type", "unit_test"]
        command += ["--exclude-resource-type", "test"]
        return [*command, "--select", *self.select] if self.select else command

    def fingerprints(self) -> Fingerprints:
        """Return rows and hash of every table, read by a process of its own."""
        return self.read_fingerprints(self.start(SEEDS[0], *self.FINGERPRINT, name="read"), "read")

    def read_fingerprints(self, process: subprocess.Popen[bytes], name: str) -> Fingerprints:
        """Wait for the command of the fingerprints and return what it prints."""
        ended = self.wait(process, name=name)
        lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith("{")]
        if ended.status:
            self.fail("a table cannot be read", ended.output)
        return {line["table"]: (line["rows"], line["hash"]) for line in lines}

    def begin(self) -> None:
        """Build both worlds, whole and undisturbed, to know their fingerprints."""
        for seed in SEEDS:
            self.wait(self.start(seed, "parse"))  # which later builds are spared
            started = time.monotonic()
            ended = self.wait(self.start(seed, *self.models()))
            self.seconds = time.monotonic() - started
            if ended.status:
                sys.exit(f"soak: the undisturbed build failed:\n{ended.output[-3000:]}")
            self.worlds[seed] = self.fingerprints()
        say(f"a build takes {self.seconds:.0f} s and makes {len(self.worlds[seed])} tables")

    def other(self, seed: int) -> int:
        """Return the seed of the other world."""
        return SEEDS[1 - SEEDS.index(seed)]

    def check_whole(self, what: str) -> None:
        """Every table is there and wholly of one of the worlds."""
        found = self.fingerprints()
        for table in self.worlds[SEEDS[0]]:
            if found.get(table) not in [world[table] for world in self.worlds.values()]:
                self.fail(f"{what}: {table} is of no world: {found.get(table)}")

    def check_next(self, what: str, seed: int) -> None:
        """The next build, of a world, gives its fingerprints."""
        ended = self.wait(self.start(seed, *self.models()))
        if ended.status:
            self.fail(f"{what}: the next build failed", ended.output)
        elif self.fingerprints() != self.worlds[seed]:
            self.fail(f"{what}: the next build gave other tables")

    def fail(self, what: str, output: str = "") -> None:
        """Print and count a failure."""
        self.failures.append(what)
        say(f"FAILED {what}\n{output[-3000:]}")

    def kill(self, chance: random.Random, number: int) -> None:
        """SIGKILL a build over the other world, and build again."""
        seed = SEEDS[number % 2]
        process, moment = self.start(seed, *self.models()), chance.uniform(0, self.seconds)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        what = f"killed after {moment:.1f} s"
        self.counts["killed" if self.wait(process).status < 0 else "ended before"] += 1
        self.check_whole(what)
        self.check_next(what, seed)

    def interrupt(self, chance: random.Random, number: int) -> None:
        """SIGINT a build, its process and its group by turns."""
        seed = SEEDS[number % 2]
        process, moment = self.start(seed, *self.models()), chance.uniform(0, self.seconds)
        time.sleep(moment)
        (os.killpg if number % 4 < 2 else os.kill)(process.pid, signal.SIGINT)
        ended = self.wait(process, timeout=STOP_SECONDS)
        what = f"interrupted after {moment:.1f} s"
        if ended.status == -signal.SIGKILL:
            self.fail(f"{what}: still there {STOP_SECONDS} s later", ended.output)
        # Before dbt itself has begun, Python says what it was doing.
        if "Traceback" in ended.output and "Running with dbt" in ended.output:
            self.fail(f"{what}: a traceback", ended.output)
        self.counts["interrupted" if ended.status else "ended before"] += 1
        self.check_whole(what)
        self.check_next(what, seed)

    def pair(self, chance: random.Random, number: int) -> None:
        """Start both worlds at nearly the same moment."""
        first = self.start(SEEDS[number % 2], *self.models())
        apart = chance.uniform(0, self.seconds / 4)
        time.sleep(apart)
        second = self.start(self.other(SEEDS[number % 2]), *self.models(), name="second")
        ended = {SEEDS[number % 2]: self.wait(first)}
        ended[self.other(SEEDS[number % 2])] = self.wait(second, name="second")
        built = [seed for seed, run in ended.items() if run.status == 0]
        what = f"two builds {apart:.1f} s apart"
        if len(built) != 1:
            self.fail(f"{what}: {len(built)} were built", "".join(e.output for e in ended.values()))
        elif REFUSED not in ended[self.other(built[0])].output:
            self.fail(f"{what}: the other was not refused", ended[self.other(built[0])].output)
        elif self.fingerprints() != self.worlds[built[0]]:
            self.fail(f"{what}: not the world of {built[0]}")
        self.counts["refused"] += 1

    def fill_disk(self, chance: random.Random, number: int) -> None:
        """Leave room for a part of the next build only."""
        warehouse = self.folder / "warehouse"
        if os.name != "posix" or os.geteuid() or not sys.platform.startswith("linux"):
            say("a full disk takes root on Linux to make: skipped")
            return
        shutil.rmtree(warehouse)
        warehouse.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "soak", warehouse], check=True)
        try:
            self.check_next("on a small disk", SEEDS[0])
            used = shutil.disk_usage(warehouse).used
            size = int(used * chance.uniform(1.1, 1.6))
            subprocess.run(["mount", "-o", f"remount,size={size}", warehouse], check=True)
            ended = self.wait(self.start(SEEDS[1], *self.models()))
            what = f"a disk of {size:,} bytes"
            if not ended.status or "No space left" not in ended.output:
                self.fail(f"{what}: it was not full, or nobody said so", ended.output)
            if "Traceback" in ended.output:
                self.fail(f"{what}: a traceback", ended.output)
            self.check_whole(what)
            subprocess.run(["mount", "-o", "remount,size=1g", warehouse], check=True)
            self.check_next(what, SEEDS[1])
            self.counts["disk full"] += 1
        finally:
            subprocess.run(["umount", warehouse], check=True)
            self.wait(self.start(SEEDS[0], *self.models()))

    def world(self, chance: random.Random, number: int) -> None:
        """Build and test a world of random variables."""
        changed = random_variables(chance)
        command = ("build", "--exclude-resource-type", "unit_test")
        ended = self.wait(self.start_with(changed, *command, name="world"), name="world")
        if ended.status == 0:
            self.counts["green"] += 1
        elif "Compilation Error" in ended.output and " allowed: " in ended.output:
            self.counts["refused with a line"] += 1
        else:
            self.fail(f'VARS="{json.dumps(changed)}"', ended.output)


def append_each_morning(soak: Soak, count: int) -> None:
    """Run the tests of the Databricks target with so many appended days, two at least."""
    say(f"{count} mornings")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/python/test_databricks.py"],
        cwd=ROOT,
        env={**os.environ, "STOCKTRUE_MORNINGS": str(count)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        soak.fail(f"{count} mornings", done.stdout + done.stderr)
    soak.counts["mornings"] += count


def simulate(soak: Soak, count: int, seed: int) -> None:
    """Run the tests of random shops on so many of them, seed after seed."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--tb", "short"]
    command += [f"tests/python/test_allocation.py::{name}" for name in SIMULATION_TESTS]
    # Not the profile of CI, in which Hypothesis has but one seed.
    command += ["--hypothesis-profile", "default", "--hypothesis-seed"]
    for before in range(0, count, SIMULATIONS):
        size = min(SIMULATIONS, count - before)
        say(f"simulations {before + 1} to {before + size} of {count}, seed {seed}")
        done = subprocess.run(
            [*command, str(seed)],
            cwd=ROOT,
            env={
                **os.environ,
                "STOCKTRUE_SIMULATIONS": str(size),
                # What one seed has found is not tried with the next one.
                "HYPOTHESIS_STORAGE_DIRECTORY": str(soak.folder / f"seed_{seed}"),
            },
            capture_output=True,
            text=True,
        )
        if done.returncode:
            options = f"--simulations {size} --seed {seed}"
            soak.fail(f'make soak SOAK="{options}"', done.stdout + done.stderr)
        soak.counts["simulations"] += size
        seed += 1


def random_variables(chance: random.Random) -> dict[str, Any]:
    """Return variables of a small world: ends and middles of their ranges, or as they are."""
    changed: dict[str, Any] = {}
    for entry in run_vars.variable_spec():
        name, low, high = entry["name"], entry["min"], entry["max"]
        high = min(high, CAPS[name]) if name in CAPS else high
        if chance.random() < 0.5 and name not in CAPS:
            continue
        at = chance.choice([0, 1, *(chance.random() for _ in range(8))])
        if entry["kind"] in ("date", "optional date"):
            first, last = date.fromisoformat(low), date.fromisoformat(high)
            changed[name] = str(first + timedelta(round(at * (last - first).days)))
        elif entry["kind"] == "day range":
            changed[name] = sorted(chance.randint(low, high) for _ in range(2))
        elif entry["kind"] == "whole number":
            changed[name] = low + round(at * (high - low))
        else:
            changed[name] = round(low + at * (high - low), 4)
    return changed


def say(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> int:
    """Do what the command line asks and return the exit status."""
    # What runs in the background of a shell ignores Ctrl-C, and so does all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    trials = {
        "kills": Soak.kill,
        "appends": soak_appends.kill_append,
        "interrupts": Soak.interrupt,
        "pairs": Soak.pair,
        "disk": Soak.fill_disk,
        "worlds": Soak.world,
    }
    for name in trials:
        parser.add_argument(f"--{name}", type=int, default=0, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--select", nargs="*", default=[], help="models, as for dbt; all without")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="removed at the start")
    parser.add_argument("--grow", choices=run_vars.preset_names(), help="a preset, of any size")
    parser.add_argument("--simulations", type=int, default=0, help="without a warehouse")
    parser.add_argument("--mornings", type=int, default=0, help="on the stand-in for Databricks")
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    soak = Soak(asked.folder.resolve(), asked.select, appends=asked.appends)
    try:
        if any(getattr(asked, name) for name in trials.keys() - {"appends", "worlds"}):
            soak.begin()
        for name, trial in trials.items():
            chance = random.Random(f"{asked.seed} {name}")
            for number in range(getattr(asked, name)):
                say(f"{name} {number + 1} of {getattr(asked, name)}")
                trial(soak, chance, number)
        simulate(soak, asked.simulations, asked.seed)
        if asked.grow:
            soak_appends.grow(soak, asked.grow)
        if asked.mornings:
            append_each_morning(soak, asked.mornings)
    finally:
        soak.end()
    done = ", ".join(f"{count} {what}" for what, count in soak.counts.items())
    say(f"{done}; {len(soak.failures)} failures")
    return bool(soak.failures)


if __name__ == "__main__":
    stoppable.unwind()
    sys.exit(main())
