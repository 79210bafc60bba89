{# Fails with one row per group whose weights do not add up, or that has a weight below zero. #}
{% test weights_sum_to(model, column_name, total=1000, group_by=[]) %}

select
    {%- for column in group_by %}
    {{ column }},
    {%- endfor %}
    sum({{ column_name }}) as sum_of_{{ column_name }},
    {{ total }} as expected_sum
from {{ model }}
{%- if group_by %}
group by {{ group_by | join(', ') }}
{%- endif %}
having
    sum({{ column_name }}) is null
    or sum({{ column_name }}) != {{ total }}
    or min({{ column_name }}) < 0

{% endtest %}
