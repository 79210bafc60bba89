"""scripts/setup.sh: which Python it takes, what it installs when, and when it leaves all as it is.

Interpreters are shell scripts here: nothing is installed, each command for pip is a line in a file.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import ROOT

TOOLS = ("cat", "cksum", "cut", "date", "dirname", "grep", "rm", "sed", "sh", "tail", "mkdir", "cp")
# Answers questions about its version as a real one of that version would.
INTERPRETER = """\
#!/bin/sh
case $1.$2 in
-c.*) exec {real} -I -S -c "import sys
sys.version_info = {version}
sys.modules.update(venv={venv}, ensurepip=sys)
$2" ;;
-m.venv)
    rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
    echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate ;;
-m.pip)
    echo "$*" >>pip.log
    if [ -e pip_hangs ]; then
        trap 'echo ended >pip_hangs; exit 1' TERM
        echo begun >pip_hangs
        while :; do sleep 1; done
    fi
    [ ! -e pip_fails ] || {{ echo "no such package"; exit 1; }} ;;
*) echo "$*" >>pip.log ;;
esac
"""
DBT_PACKAGES = "scripts/install_dbt_packages.py"


class Checkout:
    """A checkout with scripts/setup.sh, on a machine whose Pythons are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.commands = folder / "bin"
        self.home = folder / "home"
        for path in (self.folder / "scripts", self.commands, self.home):
            path.mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup.sh", self.folder / "scripts")
        for name in ("pyproject.toml", "requirements.lock"):
            (self.folder / name).write_text("first")
        for name in TOOLS:
            (self.commands / name).symlink_to(shutil.which(name))
        self.add("sleep", f"#!/bin/sh\nexec {shutil.which('sleep')} 0.02\n")

    def add(self, name: str, text: str = "#!/bin/sh\n") -> Path:
        """Add a command to the machine; a name with folders is below the home folder."""
        path = (self.home if "/" in name else self.commands) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def add_python(self, name: str, *version: int, venv: bool = True) -> Path:
        """Add an interpreter."""
        text = INTERPRETER.format(
            real=sys.executable, version=version, venv="sys" if venv else "None"
        )
        return self.add(name, text)

    def setup(
        self, *parts: str, folder: Path | None = None, python: object = "", fails: bool = False
    ) -> str:
        """Run the script, in another folder if one is given, and return what it printed."""
        done = subprocess.run(
            [(folder or self.folder) / "scripts" / "setup.sh", *parts],
            env={"PATH": str(self.commands), "HOME": str(self.home), "PYTHON": str(python)},
            cwd=folder or self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def installed(self) -> list[str]:
        """Return what pip and the script for the dbt packages were told since the last call."""
        log = self.folder / "pip.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split("requirements.lock ")[-1] for line in lines]


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def prepared(checkout) -> Checkout:
    """Return a checkout that has been set up with Python 3.12."""
    checkout.add_python("python3.12", 3, 12, 1)
    checkout.setup()
    assert checkout.installed() == ["--editable .", DBT_PACKAGES]
    return checkout


IS_UP_TO_DATE = [f"{DBT_PACKAGES} --if-missing"]
IS_MADE_ANEW = ["--editable .", DBT_PACKAGES]


def test_newest_supported_python_is_taken(checkout):
    checkout.add_python("python3", 3, 14, 0)
    checkout.add_python("python", 3, 9, 18)
    checkout.add_python("python3.13", 3, 13, 0, venv=False)
    refused = checkout.setup(fails=True)
    assert refused.startswith("setup: no supported Python found: install 3.10, 3.11, 3.12 or 3.13")
    assert len(refused.splitlines()) == 1
    assert not (checkout.folder / ".venv").exists()
    checkout.add_python(".pyenv/versions/3.11.7/bin/python", 3, 11, 7)
    assert "creating .venv with Python 3.11.7\n" in checkout.setup()
    shutil.rmtree(checkout.folder / ".venv")
    checkout.add_python("python3.10", 3, 10, 13)
    checkout.add_python("python3.12", 3, 12, 1)
    assert "creating .venv with Python 3.12.1\n" in checkout.setup()


@pytest.mark.parametrize(
    ("version", "venv"), [((3, 9, 18), True), ((3, 14, 0), True), ((3, 12, 1), False)]
)
def test_named_python_must_be_supported(prepared, version, venv):
    """Even when there is an environment already."""
    python = prepared.add_python("named", *version, venv=venv)
    refused = prepared.setup(python=python, fails=True)
    assert refused.startswith(f"setup: PYTHON={python} cannot be used: it must be Python 3.10, ")
    assert len(refused.splitlines()) == 1
    assert prepared.installed() == []


def test_named_python_replaces_another_version_only(prepared):
    python = prepared.add_python("named", 3, 10, 13)
    assert "creating .venv with Python 3.10.13\n" in prepared.setup(python=python)
    assert prepared.installed() == IS_MADE_ANEW
    prepared.setup()  # takes what is there, not the 3.12 of the PATH
    assert prepared.installed() == IS_UP_TO_DATE


def test_nothing_is_done_twice(prepared, tmp_path):
    assert prepared.setup() == ""
    assert prepared.installed() == IS_UP_TO_DATE
    link = tmp_path / "link"
    link.symlink_to(prepared.folder)
    assert prepared.setup(folder=link) == ""
    assert prepared.installed() == IS_UP_TO_DATE


def test_parts_come_when_asked_for(prepared):
    prepared.setup("dev", "spark")
    assert prepared.installed() == ["--editable .[dev]", *IS_UP_TO_DATE]  # no Java, no Spark
    prepared.add("java")
    prepared.setup("dev", "spark")
    spark = "--no-deps --target .venv/spark pyspark py4j"
    assert prepared.installed() == [spark, *IS_UP_TO_DATE]
    prepared.setup("databricks", "dev", "spark")
    assert prepared.installed() == ["--editable .[databricks]", *IS_UP_TO_DATE]
    (prepared.folder / "requirements.lock").write_text("second")
    prepared.setup()
    assert prepared.installed() == IS_MADE_ANEW
    prepared.setup("dev", "spark")
    assert prepared.installed() == ["--editable .[dev]", spark, *IS_UP_TO_DATE]
    assert prepared.setup("devel", fails=True) == (
        "setup: got devel, allowed: dev, docs, databricks, export, learn, spark\n"
    )


def test_environment_of_another_kind_is_made_anew(prepared, tmp_path):
    """One of the layout with Apache Spark among the packages; one copied from another folder."""
    (prepared.folder / ".venv" / "installed").touch()
    assert "creating .venv" in prepared.setup()
    assert prepared.installed() == IS_MADE_ANEW
    assert not (prepared.folder / ".venv" / "installed").exists()
    copied = tmp_path / "copied"
    shutil.copytree(prepared.folder, copied)
    assert "creating .venv" in prepared.setup(folder=copied)


def test_failed_installation_is_told_and_repeated(prepared):
    (prepared.folder / "requirements.lock").write_text("second")
    (prepared.folder / "pip_fails").touch()
    told = prepared.setup(fails=True)
    assert told.endswith("setup: the installation failed:\nno such package\n")
    assert prepared.installed() == ["--editable ."]
    (prepared.folder / "pip_fails").unlink()
    prepared.setup()
    assert prepared.installed() == IS_MADE_ANEW


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_setup_stops_pip(prepared, number):
    """Which sh starts in the background, where it would not see Ctrl-C."""
    (prepared.folder / "requirements.lock").write_text("second")
    hangs = prepared.folder / "pip_hangs"
    hangs.touch()
    setup = subprocess.Popen(
        [prepared.folder / "scripts" / "setup.sh"],
        env={"PATH": str(prepared.commands), "HOME": str(prepared.home)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(hangs, "begun")
        os.kill(setup.pid, number)
        assert setup.wait(timeout=10) == 128 + number
        wait_until(hangs, "ended")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(setup.pid, signal.SIGKILL)


def wait_until(file: Path, content: str) -> None:
    """Wait until a file says something."""
    end = time.monotonic() + 10
    while file.read_text().strip() != content:
        assert time.monotonic() < end
        time.sleep(0.02)
