"""dbt adapter `embedded`: Sail or Apache Spark inside the dbt process, tables in a folder."""

from dbt.adapters.base import AdapterPlugin
from dbt.adapters.embedded.connections import EmbeddedCredentials
from dbt.adapters.embedded.impl import EmbeddedAdapter
from dbt.adapters.embedded.interrupts import watch_tasks
from dbt.adapters.embedded.parsing import keep_test_descriptions
from dbt.adapters.embedded.seeds import name_unreadable_files
from dbt.include import embedded

name_unreadable_files()
watch_tasks()
keep_test_descriptions()

Plugin = AdapterPlugin(
    adapter=EmbeddedAdapter,
    credentials=EmbeddedCredentials,
    include_path=embedded.PACKAGE_PATH,
    dependencies=["spark"],
)
