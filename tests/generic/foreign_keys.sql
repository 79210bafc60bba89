{#
    Fails with one row per value of a column that is not found where it should be: `keys` maps a
    column to [relation, column there]; a missing value is allowed. One test for all keys of a
    table; looking up every value once is cheaper than looking up every row.
#}
{% test foreign_keys(model, keys) %}

{%- for column, target in keys.items() %}
select
    '{{ column }}' as column_name,
    '{{ target[0].identifier }}.{{ target[1] }}' as not_found_in,
    cast(child.key_value as string) as value_found
from (
    select distinct {{ column }} as key_value
    from {{ model }}
    where {{ column }} is not null
) as child
left anti join {{ target[0] }} as parent on child.key_value = parent.{{ target[1] }}
{{ "union all" if not loop.last }}
{%- endfor %}

{% endtest %}
