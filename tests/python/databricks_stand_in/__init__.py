"""A stand-in for a Databricks workspace, enough for dbt-databricks to build the project on it.

What it answers, and what it cannot show, is in docs/databricks.md.
"""
