{#
    The constraints of a table with a name each, as dbt-databricks adds them: <table>_pk and
    <table>_<column>_fk. It would take a hash, and warn, where the properties give no name.
#}
{% macro get_model_constraints(model) %}
    {%- set named = [] -%}
    {%- for constraint in model.get("constraints", []) -%}
        {%- if constraint.type == "primary_key" -%}
            {%- set name = model.alias ~ "_pk" -%}
        {%- else -%}
            {%- set name = model.alias ~ "_" ~ constraint.columns | join("_") ~ "_fk" -%}
        {%- endif -%}
        {%- do named.append(dict(constraint, name=constraint.name or name)) -%}
    {%- endfor -%}
    {{ return(named) }}
{% endmacro %}
