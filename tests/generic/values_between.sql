{#
    Fails with one row per value outside of its column's range: `ranges` maps a column to
    [lowest, highest], null for an open end. One test for all columns of a table.
#}
{% test values_between(model, ranges) %}

{%- for column, bounds in ranges.items() %}
{%- set lowest, highest = bounds[0], bounds[1] %}
select
    '{{ column }}' as column_name,
    cast({{ column }} as string) as value_found,
    '{{ lowest }} to {{ highest }}' as allowed
from {{ model }}
where
    false
    {%- if lowest is not none %}
    or {{ column }} < {{ lowest }}
    {%- endif %}
    {%- if highest is not none %}
    or {{ column }} > {{ highest }}
    {%- endif %}
{{ "union all" if not loop.last }}
{%- endfor %}

{% endtest %}
