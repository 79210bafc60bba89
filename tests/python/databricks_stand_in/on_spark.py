"""Apache Spark's word on what dbt-databricks sends: run as a program, in a process of its own.

Reads a JSON file with `statements` (parsed, not run), `catalog`, `schema`, `tables` (name -> files
of Parquet) and `notebooks` (table -> code). Runs the notebooks on the tables and writes the rows
of their tables into the warehouse folder. Prints the statements that cannot be parsed as JSON.
"""

import json
import sys
from pathlib import Path

from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.warehouse import Warehouse

from .workspace import Workspace


def main(request_file: str, folder: str) -> None:
    """Parse the statements, then run the notebooks in their order."""
    request = json.loads(Path(request_file).read_text())
    session = start_engine("spark")
    parser = session._jsparkSession.sessionState().sqlParser()
    refused = []
    for statement in request["statements"]:
        try:
            parser.parsePlan(statement.rstrip(";"))
        except Exception as error:
            refused.append(f"{error}\n{statement}")

    session.sql(f"create schema `{request['schema']}`")
    for name, files in request["tables"].items():
        inputs = Path(folder, "inputs", name)
        inputs.mkdir(parents=True)
        for number, file in enumerate(files):
            (inputs / f"{number}.parquet").symlink_to(file)
        session.sql(
            f"create table `{request['schema']}`.`{name}` using parquet location '{inputs}'"
        )
    workspace = Workspace(Warehouse(session, "spark", Path(folder)), request["catalog"])
    errors = {}
    for table, code in request["notebooks"].items():
        run = workspace.run_notebook({}, code)
        if run.error:
            errors[table] = run.error
    print(json.dumps({"refused": refused, "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
