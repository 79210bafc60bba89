"""Version of the adapter, shown by dbt."""

version = "0.1.0"
