{#
    Fails with one row per value of a column that is not found where it should be: `keys` maps a
    column, or several with commas between, to [relation, column or columns there] and, where only
    some rows have the key, [.., condition]; a missing value is allowed. One test for all keys of a
    table; looking up every value once is cheaper than looking up every row.
#}
{% test foreign_keys(model, keys) %}

{%- for key, target in keys.items() %}
{%- set columns, parent_columns = key.split(", "), target[1].split(", ") %}
{%- set conditions = [target[2]] if target | length > 2 else [] %}
{%- set selected, texts, matches = [], [], [] %}
{%- for column in columns %}
    {%- do selected.append(column ~ " as key_" ~ loop.index) %}
    {%- do conditions.append(column ~ " is not null") %}
    {%- do texts.append("cast(child.key_" ~ loop.index ~ " as string)") %}
    {%- do matches.append(
        "child.key_" ~ loop.index ~ " = parent." ~ parent_columns[loop.index0]
    ) %}
{%- endfor %}
select
    '{{ key }}' as column_name,
    '{{ target[0].identifier }}.{{ target[1] }}' as not_found_in,
    concat_ws(', ', {{ texts | join(", ") }}) as value_found
from (
    select distinct {{ selected | join(", ") }}
    from {{ model }}
    where {{ conditions | join(" and ") }}
) as child
left anti join {{ target[0] }} as parent on {{ matches | join(" and ") }}
{{ "union all" if not loop.last }}
{%- endfor %}

{% endtest %}
