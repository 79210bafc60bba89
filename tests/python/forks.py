"""Run programs of the project in forks of a process that has imported what takes long to import.

Importing dbt and its adapters takes seconds, longer than most commands of the tests. A fork has
its own environment, folder and state of dbt, as a new process does.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *("dbt.cli.main", "dbt.adapters.embedded", "dbt.adapters.embedded.python_models"),
        *("pysail.spark", "pyspark.sql.connect.session", "pandas", "deltalake"),
    ]
)


def run(
    program: str | Path, *arguments: str | Path, cwd: Path, env: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run a program and wait for it; the environment is that of `env` alone.

    The program is a Python file, or the name of a module as `python -m` takes it.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder, "stdout"), Path(folder, "stderr")
        command = [str(program), *map(str, arguments)]
        process = _FORKS.Process(target=_main, args=(command, str(cwd), env, outputs), daemon=True)
        process.start()
        process.join()
        return subprocess.CompletedProcess(
            command, process.exitcode, *(path.read_text() for path in outputs)
        )


def _main(command: list[str], cwd: str, env: dict[str, str], outputs: tuple[Path, Path]) -> None:
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    try:
        if "/" in command[0]:
            sys.path[:0] = [str(Path(command[0]).parent)]
            runpy.run_path(command[0], run_name="__main__")
        else:
            runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
