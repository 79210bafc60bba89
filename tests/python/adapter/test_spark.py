"""The same project builds on Apache Spark."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support import SPARK_ENV

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")

SCRIPT = """
import sys
from dbt.cli.main import dbtRunner

for command in (["build"], ["build"], ["docs", "generate"]):
    assert dbtRunner().invoke([*command, *sys.argv[1:]]).success, command
"""


def test_build_twice(project):
    project.write(
        {
            "seeds/items.csv": "id,name\n1,a\n2,\n",
            "models/m.sql": "select id, coalesce(name, '-') as name from {{ ref('items') }}",
            "models/v.sql": "{{ config(materialized='view') }} select * from {{ ref('m') }}",
            "models/inc.sql": """
                {{ config(materialized='incremental', unique_key='id') }}
                select id + {{ 1 if is_incremental() else 0 }} as id from {{ ref('v') }}
                """,
            "models/app.py": """
                import pandas as pd


                def model(dbt, session):
                    dbt.config(materialized="incremental")
                    return pd.DataFrame({"inc": [dbt.is_incremental]})
                """,
            "models/m.yml": """
                models:
                  - name: m
                    config: {contract: {enforced: true}}
                    columns:
                      - {name: id, data_type: bigint, constraints: [{type: not_null}]}
                      - {name: name, data_type: string}
                """,
        }
    )
    outcome = subprocess.run(  # one process: starting Java takes most of the time
        [sys.executable, "-c", SCRIPT, *project.arguments("--target", "spark")],
        env={**os.environ, **SPARK_ENV},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    catalog = json.loads((project.folder / "target/catalog.json").read_text())
    rows = {
        name: node["stats"].get("rows", {}).get("value") for name, node in catalog["nodes"].items()
    }
    assert rows == {
        "seed.tiny.items": 2,
        "model.tiny.m": 2,
        "model.tiny.v": None,
        "model.tiny.inc": 3,
        "model.tiny.app": 2,
    }
