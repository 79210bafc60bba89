{% macro embedded__create_csv_table(model, agate_table) %}
  {{ return('') }}
{% endmacro %}

{#-- The old rows stay readable until the new ones are complete. #}
{% macro embedded__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
  {{ return('') }}
{% endmacro %}

{#-- In place of dbt's function of that name, whose errors name no line. #}
{% macro load_agate_table() %}
  {{ return(adapter.read_seed(model)) }}
{% endmacro %}

{% macro embedded__load_csv_rows(model, agate_table) %}
  {%- set overrides = model['config'].get('column_types', {}) -%}
  {%- set types = {} -%}
  {%- for name in agate_table.column_names -%}
    {%- do types.update(
        {name: overrides.get(name, adapter.convert_type(agate_table, loop.index0))}) -%}
  {%- endfor -%}
  {{ return(adapter.build_seed(this, agate_table, types)) }}
{% endmacro %}

{% macro embedded__alter_relation_add_remove_columns(relation, add_columns, remove_columns) %}
  {%- if remove_columns -%}
    {% do exceptions.raise_compiler_error(
        "removing columns from " ~ relation ~ " is not supported; run with --full-refresh") %}
  {%- endif -%}
  {%- if add_columns -%}{%- do adapter.add_columns(relation, add_columns) -%}{%- endif -%}
{% endmacro %}

{% macro embedded__alter_column_type(relation, column_name, new_column_type) %}
  {% do exceptions.raise_compiler_error(
      "changing the type of " ~ relation ~ "." ~ column_name
      ~ " is not supported; run with --full-refresh") %}
{% endmacro %}

{#-- A folder has no users to grant to. #}
{% macro embedded__apply_grants(relation, grant_config, should_revoke) %}{% endmacro %}

{#-- Column comments are written together with the rows. #}
{% macro embedded__persist_docs(relation, model, for_relation, for_columns) %}{% endmacro %}
