"""What dbt forgets when it parses a part of a project only."""

from dbt.contracts.files import ParseFileType
from dbt.parser import partial


def keep_test_descriptions() -> None:
    """Lets dbt give a singular test that it parses again its properties again.

    It does so for models, seeds, snapshots and analyses; a test loses its description.
    """
    partial.parse_file_type_to_key[ParseFileType.SingularTest] = "data_tests"
    partial.key_to_prefix["data_tests"] = "test"
