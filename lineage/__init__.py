"""The lineage of tables and columns, from what `dbt docs generate` leaves."""
