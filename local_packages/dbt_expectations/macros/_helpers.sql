{# The condition `min_value <= expression <= max_value`, either end optional. #}
{% macro is_between(expression, min_value, max_value, strictly) %}
    {%- if min_value is none and max_value is none -%}
        {% do exceptions.raise_compiler_error("give min_value, max_value or both") %}
    {%- endif -%}
    {%- set equal = "" if strictly else "=" -%}
    {%- set conditions = [] -%}
    {%- if min_value is not none -%}
        {% do conditions.append(expression ~ " >" ~ equal ~ " " ~ min_value) %}
    {%- endif -%}
    {%- if max_value is not none -%}
        {% do conditions.append(expression ~ " <" ~ equal ~ " " ~ max_value) %}
    {%- endif -%}
    {{- conditions | join(" and ") -}}
{% endmacro %}


{# The rows of the model for which the condition is false. #}
{% macro rows_against(model, condition, row_condition) %}
select *
from {{ model }}
where
    not ({{ condition }})
    {%- if row_condition %}
    and ({{ row_condition }})
    {%- endif %}
{% endmacro %}


{# The groups of the model, or the whole of it, for which the condition on `metric` is false. #}
{% macro groups_against(model, metric, condition, group_by, row_condition) %}
with

grouped as (

    select
        {%- for column in group_by or [] %}
        {{ column }},
        {%- endfor %}
        {{ metric }} as metric
    from {{ model }}
    {%- if row_condition %}
    where {{ row_condition }}
    {%- endif %}
    {%- if group_by %}
    group by {{ group_by | join(", ") }}
    {%- endif %}

)

select *
from grouped
where not ({{ condition }})
{% endmacro %}
