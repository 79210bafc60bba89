{#
    The constraints that dbt-databricks adds to a table. No foreign keys with --defer: they could
    refer to a table of the state, and that needs its owner's rights.
#}
{% macro get_model_constraints(model) %}
    {%- set constraints = model.get("constraints", []) -%}
    {%- if invocation_args_dict.get("defer") -%}
        {%- set constraints = constraints | rejectattr("type", "equalto", "foreign_key") | list -%}
    {%- endif -%}
    {{ return(constraints) }}
{% endmacro %}
