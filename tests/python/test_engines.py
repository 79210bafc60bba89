"""Apache Spark gives the rows of the embedded engine, table by table."""

import shutil

import pytest
from support import build_tiny, differing, read_fingerprints


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")
def test_spark_gives_the_same_rows(tiny_fingerprints, tmp_path):
    _, run = build_tiny(tmp_path, engine="spark")
    assert differing(tiny_fingerprints, read_fingerprints(run.output)) == []
