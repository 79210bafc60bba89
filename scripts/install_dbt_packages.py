"""Put the packages of packages.yml into dbt_packages/: `dbt deps`, or the stand-ins kept here.

The package hub is tried first. When it cannot be reached (or with --local) the folders in
local_packages/ take the place of the packages of the same name. With --if-missing nothing is
done when every package is there.
"""

import argparse
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / "dbt_packages"
STAND_INS = ROOT / "local_packages"
HUB = ("hub.getdbt.com", 443)
PROBE_SECONDS = 3
DEPS_SECONDS = 120


def hub_answers() -> bool:
    """Tell whether the hub accepts a connection; `dbt deps` alone would retry for minutes."""
    try:
        with socket.create_connection(HUB, timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def run_dbt_deps() -> bool:
    """Run `dbt deps` and tell whether it succeeded within its time."""
    dbt = str(Path(sys.executable).with_name("dbt"))
    command = [dbt, "--quiet", "deps", "--project-dir", str(ROOT)]
    try:
        return subprocess.run(command, cwd=ROOT, timeout=DEPS_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def copy_stand_ins() -> None:
    """Replace dbt_packages/ by the stand-ins."""
    shutil.rmtree(INSTALLED, ignore_errors=True)
    shutil.copytree(STAND_INS, INSTALLED)


def main() -> None:
    """Install the packages as the command line asks and say where they came from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", action="store_true", help="use the stand-ins")
    parser.add_argument("--if-missing", action="store_true", help="keep what is there")
    arguments = parser.parse_args()

    names = [path.name for path in STAND_INS.iterdir()]
    if arguments.if_missing and all((INSTALLED / n / "dbt_project.yml").exists() for n in names):
        return
    if not arguments.local and hub_answers() and run_dbt_deps():
        print("setup: dbt packages installed from the package hub")
        return
    copy_stand_ins()
    print("setup: dbt packages: stand-ins from local_packages/ (no package hub)")


if __name__ == "__main__":
    main()
