{#
    What a data test runs: dbt's own query, but with --empty, where no table has rows, only a check
    of the test's SQL.
#}
{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
  {%- if flags.EMPTY -%}
    {%- set fail_calc = "0 * count(*)" -%}
  {%- endif -%}
  {{ adapter.dispatch("get_test_sql", "dbt")(main_sql, fail_calc, warn_if, error_if, limit) }}
{%- endmacro %}
