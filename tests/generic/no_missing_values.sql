{# Fails with the rows that have an empty cell in a column other than the ones named. #}
{% test no_missing_values(model, nullable=[]) %}

select *
from {{ model }}
where
    false
    {%- if execute %}
    {%- for column in adapter.get_columns_in_relation(model) %}
    {%- if column.name not in nullable %}
    or {{ column.name }} is null
    {%- endif %}
    {%- endfor %}
    {%- endif %}

{% endtest %}
