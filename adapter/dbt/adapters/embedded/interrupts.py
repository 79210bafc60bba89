"""Ctrl-C and SIGTERM end a dbt command at once, and `dbt retry` goes on with it."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from multiprocessing import util
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import Any, NoReturn

import click
from dbt.adapters.embedded import scratch
from dbt.constants import RUN_RESULTS_FILE_NAME
from dbt.task.runnable import GraphRunnableTask, mark_node_as_skipped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST_SECONDS = 4.0  # from the signal to the end, whatever hangs

_running: Any = None  # the task of dbt whose nodes are running
_endings: list[Callable[[], None]] = []
_watched = False


def end_with(ending: Callable[[], None]) -> None:
    """Has `ending` called when a signal ends this process."""
    _endings.append(ending)


def end_on_signals() -> None:
    """Lets SIGINT and SIGTERM end the process that a dbt command runs in.

    What calls dbt as a library (dbtRunner) keeps its own handlers, and ignored signals stay so.
    """
    global _watched
    context = click.get_current_context(silent=True)
    called = context is None or "dbt_runner_command_args" in (context.obj or {})
    if called or _watched or threading.current_thread() is not threading.main_thread():
        return
    _watched = True
    # A thread, because the main one may sleep through a signal or be in an engine's code.
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(read,), name="signals", daemon=True).start()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _wait(pipe: int) -> None:
    """Reads the numbers of signals until one is to end the process."""
    while True:
        number = os.read(pipe, 1)[0]
        if number in SIGNALS:
            _end(number)


def _end(number: int) -> None:
    """Ends this process, with the results of the nodes that have run."""
    line = f"stopped by {signal.Signals(number).name}"
    _end_in_time(number)
    with suppress(Exception):
        if _running and _write_results(_running):
            line += "; dbt retry goes on from here"
    end(number, line)


def _end_in_time(number: int) -> None:
    late = threading.Timer(LONGEST_SECONDS, os._exit, [128 + number])
    late.daemon = True
    late.start()


def end(number: int, line: str) -> NoReturn:
    """Says `line` and ends this process for a signal, whatever its other threads are at."""
    _end_in_time(number)
    for step in (*_endings, _unlink_semaphores, scratch.remove, sys.stdout.flush):
        with suppress(Exception):
            step()
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())
    os._exit(128 + number)


def _write_results(task: Any) -> bool:
    """Writes run_results.json; nodes that have not ended count as skipped, as for --fail-fast."""
    path = task.result_path()
    if not task.args.write_json or Path(path).name != RUN_RESULTS_FILE_NAME:
        return False
    ended = list(task.node_results)
    names = {result.node.unique_id for result in ended}
    left = [mark_node_as_skipped(node, names, "interrupted") for node in task._flattened_nodes]
    result = task.get_result(
        results=ended + [each for each in left if each],
        elapsed_time=time.time() - task.started_at if task.started_at else 0.0,
        generated_at=datetime.now(timezone.utc).replace(tzinfo=None),
    )
    result.write(path)
    return True


def _unlink_semaphores() -> None:
    """Removes dbt's locks from the system, of which Python's resource tracker would complain."""
    # What is private of the library has no types.
    for finalizer in list(util._finalizer_registry.values()):  # type: ignore[attr-defined]
        if finalizer._callback is SemLock._cleanup:  # type: ignore[attr-defined]
            finalizer()


def watch_tasks() -> None:
    """Lets `_end` know the task of dbt that runs."""
    run = GraphRunnableTask.run

    def watched(task: GraphRunnableTask) -> Any:
        global _running
        _running, before = task, _running
        try:
            return run(task)
        finally:
            _running = before

    GraphRunnableTask.run = watched


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Gives SIGINT and SIGTERM their handlers back, which the start of an engine replaces.

    Sail does so below Python, in another thread; the first answer comes after that.
    """
    get, restore = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = restore.restype = ctypes.c_void_p
    restore.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handlers = {number: (signal.getsignal(number), get(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, (handler, address) in handlers.items():
            if signal.getsignal(number) is not handler:  # by PySpark, in this thread
                signal.signal(number, handler)
            restore(number, address)
