{#
    What `dbt show` runs: dbt's own query, but for a Python model, which only a build can run, the
    rows that the last build wrote.
#}
{% macro get_show_sql(compiled_code, sql_header, limit) -%}
  {%- if sql_header is not none -%}
  {{ sql_header }}
  {%- endif %}
  {%- if model.language == "python" %}
  {{ get_limit_subquery_sql("select * from " ~ this, limit) }}
  {%- else %}
  {{ get_limit_subquery_sql(compiled_code, limit) }}
  {%- endif %}
{%- endmacro %}
