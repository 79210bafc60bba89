{# The Monday of the ISO week that a date falls in. #}
{% macro week_start(date) -%}
    date_sub({{ date }}, {{ iso_day_of_week(date) }} - 1)
{%- endmacro %}
