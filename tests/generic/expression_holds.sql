{# Fails with the rows for which the expression is false or null. #}
{% test expression_holds(model, expression, column_name=none) %}

select *
from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
