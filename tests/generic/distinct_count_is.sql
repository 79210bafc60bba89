{# Fails when the column has more or fewer different values than it should. #}
{% test distinct_count_is(model, column_name, count) %}

select
    count(distinct {{ column_name }}) as values_found,
    {{ count }} as values_expected
from {{ model }}
having count(distinct {{ column_name }}) != {{ count }}

{% endtest %}
