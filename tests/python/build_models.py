"""Seed, run, compile and the like with other variables than the project was parsed with.

    python build_models.py '{"parsed": ["local", {...}], "run": ["local", {...}],
                             "commands": [["run", "--threads", "8"], ...]}' options of dbt

A command may begin with `!`, which has to fail then, and with variables of the environment,
NAME=value, which stay for later ones.
One process and one parse, which takes longer than building tiny tables. SQL meets its variables
when it runs, and a Python model has them in its configuration, each under its own name:
test_vars.py sees to that.
"""

import json
import os
import sys
from copy import deepcopy

from dbt.cli.main import dbtRunner


def main(request: str, *options: str) -> None:
    """Parse the project for one target and set of variables, run the commands with another."""
    asked = json.loads(request)

    def dbt(command: list[str], engine: str, variables: dict, manifest=None, fails: bool = False):
        given = ["--target", engine, "--vars", json.dumps(variables)]
        done = dbtRunner(manifest=manifest).invoke([*command, *given, *options])
        assert done.success is not fails, done.exception or command
        return done.result

    engine, variables = asked["run"]
    manifest = dbt(["parse"], *asked["parsed"])
    for node in manifest.nodes.values():
        if node.resource_type == "model" and node.language == "python":
            for name, value in variables.items():
                if node.config.get(name) is not None:
                    node.config[name] = value
    for command in asked["commands"]:
        if fails := command[0] == "!":
            command.pop(0)
        while "=" in command[0]:
            name, value = command.pop(0).split("=", 1)
            os.environ[name] = value
        # A copy, because a run changes it.
        dbt(command, engine, variables, deepcopy(manifest), fails)


if __name__ == "__main__":
    main(*sys.argv[1:])
