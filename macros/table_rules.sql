{# The queries that the test table_rules consists of; all return column_name, rule, value_found. #}

{% macro repeated_keys(model, columns) -%}
{%- set texts = [] %}
{%- for column in columns %}
    {%- do texts.append("cast(" ~ column ~ " as string)") %}
{%- endfor -%}
select
    '{{ columns | join(", ") }}' as column_name,
    'unique' as rule,
    concat_ws(', ', {{ texts | join(", ") }}) as value_found
from {{ model }}
where {{ columns | join(" is not null or ") }} is not null
group by {{ columns | join(", ") }}
having count(*) > 1
{%- endmacro %}


{% macro missing_values(model, columns) -%}
select
    concat_ws(
        ', '
        {%- for column in columns %},
        if({{ column }} is null, '{{ column }}', null)
        {%- endfor %}
    ) as column_name,
    'not null' as rule,
    to_json(struct(*)) as value_found
from {{ model }}
where
    {{ columns | join(" is null\n    or ") }} is null
{%- endmacro %}


{% macro wrong_values(model, column, rule, condition) -%}
select
    '{{ column }}' as column_name,
    {{ text_literal(rule) }} as rule,
    cast({{ column }} as string) as value_found
from {{ model }}
where {{ condition }}
{%- endmacro %}


{% macro wrong_rows(model, rules) -%}
select
    cast(null as string) as column_name,
    concat_ws(
        ', '
        {%- for name, expression in rules.items() %},
        if(coalesce({{ expression }}, false), null, '{{ name }}')
        {%- endfor %}
    ) as rule,
    to_json(struct(*)) as value_found
from {{ model }}
where
    {%- for expression in rules.values() %}
    {{ "or " if not loop.first }}not coalesce({{ expression }}, false)
    {%- endfor %}
{%- endmacro %}


{% macro wrong_count(model, column, count, expected, unit) -%}
select
    {{ "'" ~ column ~ "'" if column else "cast(null as string)" }} as column_name,
    '{{ expected }} {{ unit }}' as rule,
    cast({{ count }} as string) as value_found
from {{ model }}
having {{ count }} != {{ expected }}
{%- endmacro %}


{% macro text_literal(text) -%}
'{{ text | replace("'", "\\'") }}'
{%- endmacro %}
