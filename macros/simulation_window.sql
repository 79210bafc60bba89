{# First simulated day. #}
{% macro first_simulated_day() -%}
    cast('{{ var("start_date") | string }}' as date)
{%- endmacro %}


{# Last simulated day. #}
{% macro last_simulated_day() -%}
    date_add({{ first_simulated_day() }}, {{ var("date_range_days") | int - 1 }})
{%- endmacro %}


{# First day of the calendar: far enough back for a comparison with the year before. #}
{% macro first_calendar_day() -%}
    date_sub({{ first_simulated_day() }}, 400)
{%- endmacro %}


{# Last day of the calendar: replenishment and forecast dates lie after the last simulated day. #}
{% macro last_calendar_day() -%}
    date_add({{ last_simulated_day() }}, 365)
{%- endmacro %}


{#
    Array of the years of the calendar and one more on either side: a holiday or a promotion may lie
    across the new year.
#}
{% macro years_around_the_calendar() -%}
    sequence(year({{ first_calendar_day() }}) - 1, year({{ last_calendar_day() }}) + 1)
{%- endmacro %}


{# Day of the week as in ISO 8601, 1 = Monday to 7 = Sunday; engines disagree on weekday(). #}
{% macro iso_day_of_week(date) -%}
    pmod(dayofweek({{ date }}) + 5, 7) + 1
{%- endmacro %}
