{# Money as whole cents: sums of them are exact, whatever order an engine adds them in. #}
{% macro cents(amount) %}cast(round(({{ amount }}) * 100) as bigint){% endmacro %}


{% macro millionths(value) %}cast(round(({{ value }}) * 1000000) as bigint){% endmacro %}
