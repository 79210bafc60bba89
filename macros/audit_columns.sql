{# The last columns of a published table; without a source system only the load time. #}
{% macro audit_columns(source_system=none) %}
    {%- if source_system %}
    cast('{{ source_system }}' as string) as source_system,
    {% endif -%}
    {%- set load_time = run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f+00:00") %}
    cast('{{ load_time }}' as timestamp) as etl_timestamp
{%- endmacro %}
