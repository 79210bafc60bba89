"""Runs a compiled Python model in the dbt process."""

import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from dbt.adapters.embedded.connections import engine_message
from dbt_common.exceptions import DbtRuntimeError
from pyspark import cloudpickle


def source_path(model: dict[str, Any], project_root: str) -> Path:
    """Where the model's file lies: in the project or in an installed package."""
    path = Path(project_root, model["original_file_path"])
    if path.is_file():
        return path
    return Path(project_root, "dbt_packages", model["package_name"], model["original_file_path"])


def run_python_model(
    model: dict[str, Any],
    compiled_code: str,
    path: Path,
    session: Any,
    write_model: Callable[..., None],
) -> None:
    """Executes `compiled_code`; its last lines call `model` and then `write_model`.

    The code is compiled under the source file's name with the source's own line numbers, so
    that tracebacks point into that file. The namespace is a module while the model runs, known
    to be pickled by value; otherwise a dataclass there has methods without a module, and for
    each of them pickling searches every module of the process.

    Raises DbtRuntimeError with the file, line and exception when the model fails.
    """
    raw_code = model["raw_code"].strip()
    code = compiled_code[max(0, compiled_code.find(raw_code)) :]
    source = path.read_text(encoding="utf-8") if path.is_file() else raw_code
    first_line = source[: max(0, source.find(raw_code))].count("\n")
    module = ModuleType(f"dbt_python_model.{model['name']}")
    vars(module).update(__file__=str(path), spark=session, write_model=write_model)
    sys.modules[module.__name__] = module
    cloudpickle.register_pickle_by_value(module)
    try:
        exec(compile("\n" * first_line + code, str(path), "exec"), vars(module))
    except DbtRuntimeError:
        raise
    except Exception as error:
        raise DbtRuntimeError(_describe(error, path, model["original_file_path"])) from error
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[module.__name__]


def _describe(error: Exception, path: Path, shown_path: str) -> str:
    """The exception and where the model's file was when it happened."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{kind} in {shown_path}, line {error.lineno}: {error.msg}"
    lines = path.read_text(encoding="utf-8").count("\n") + 1 if path.is_file() else 0
    message = engine_message(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [n for n, f in enumerate(frames) if f.filename == str(path) and (f.lineno or 0) <= lines]
    if not own:
        in_worker = re.findall(rf'File "{re.escape(str(path))}", line (\d+)', message)
        if in_worker:
            return f"{kind} in {shown_path}, line {in_worker[-1]}: {message}"
        return f"{kind} while writing the result of {shown_path}: {message}"
    called = "".join(traceback.format_list(frames[own[0] :]))
    where = frames[own[-1]].lineno
    return f"{kind} in {shown_path}, line {where}: {message}\n{called.rstrip()}"
