"""A failing Python model is reported with its file and line."""

import pytest

CASES = {
    "raised": (
        """

        # a comment before the code, after blank lines
        def model(dbt, session):
            values = {}
            return values["missing"]
        """,
        ["KeyError in models/raised.py, line 6", "missing", 'values["missing"]'],
    ),
    "in_udf": (
        """
        def model(dbt, session):
            def fail(batches):
                for batch in batches:
                    raise ValueError("no such batch")
                    yield batch

            return session.range(3).mapInArrow(fail, "id bigint")
        """,
        ["PythonException in models/in_udf.py, line 4", "no such batch"],
    ),
    "wrong_type": (
        "def model(dbt, session):\n    return 5\n",
        ["wrong_type returned int", "PySpark DataFrame, a pandas DataFrame or a pyarrow Table"],
    ),
}


@pytest.fixture
def results(project):
    project.write({f"models/{name}.py": source for name, (source, _) in CASES.items()})
    raised = project.folder / "models/raised.py"
    raised.write_text("\n\n" + raised.read_text())
    return project.run("run")


def test_messages(results):
    for name, (_, expected) in CASES.items():
        message = results[name].message
        assert all(text in message for text in expected), message
