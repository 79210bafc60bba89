{# Fails with one row per group whose (weighted) mean is off by more than the tolerance. #}
{% test mean_is(model, column_name, mean=1, tolerance=0.001, group_by=[], weight="1") %}

select
    {%- for column in group_by %}
    {{ column }},
    {%- endfor %}
    sum({{ column_name }} * {{ weight }}) / sum({{ weight }}) as mean_of_{{ column_name }},
    {{ mean }} as expected_mean
from {{ model }}
{%- if group_by %}
group by {{ group_by | join(', ') }}
{%- endif %}
having
    sum({{ column_name }} * {{ weight }}) is null
    or abs(sum({{ column_name }} * {{ weight }}) / sum({{ weight }}) - {{ mean }}) > {{ tolerance }}

{% endtest %}
