{# First simulated day. #}
{% macro first_simulated_day() -%}
    {%- set days = simulated_days() -%}
    {{- date_literal(days.first) if days else first_day_of_variables() }}
{%- endmacro %}


{# Last simulated day. #}
{% macro last_simulated_day() -%}
    {%- set days = simulated_days() -%}
    {{- date_literal(days.last) if days else last_day_of_variables() }}
{%- endmacro %}


{# Number of simulated days. #}
{% macro simulated_day_count() -%}
    (datediff({{ last_simulated_day() }}, {{ first_simulated_day() }}) + 1)
{%- endmacro %}


{# The last Sunday that is simulated: what is calculated once a week knows the days up to it. #}
{% macro last_simulated_sunday() -%}
    date_sub({{ last_simulated_day() }}, dayofweek({{ last_simulated_day() }}) - 1)
{%- endmacro %}


{# First day of a world that is built from the variables. #}
{% macro first_day_of_variables() -%}
    {%- set end = var("end_date") | string -%}
    {%- if end in ["", "None"] -%}
        cast('{{ var("start_date") | string }}' as date)
    {%- else -%}
        date_sub({{ last_day_of_variables() }}, {{ var("date_range_days") }} - 1)
    {%- endif -%}
{%- endmacro %}


{# Last day of a world that is built from the variables. #}
{% macro last_day_of_variables() -%}
    {%- set end = var("end_date") | string -%}
    {%- if end in ["", "None"] -%}
        date_add({{ first_day_of_variables() }}, {{ var("date_range_days") }} - 1)
    {%- else -%}
        {%- if end in ["today", "yesterday"] -%}
            {%- set end = requested_last_day({"to": end}, none) -%}
        {%- endif -%}
        cast('{{ end }}' as date)
    {%- endif -%}
{%- endmacro %}


{# So many months beyond the last simulated one have a plan of demand: orders look ahead. #}
{% macro planned_months_ahead() %}
    {% do return(4) %}
{% endmacro %}


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
