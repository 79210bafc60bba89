{#
    Unique number of a session: calendar day, location, attempt (0 = no cart) and a number within.

    It depends on nothing else, so appended days keep it. A recovery keeps the day of its cart.
#}
{% macro session_key(date, location_key, attempt, number) -%}
    ((cast(datediff({{ date }}, date '1970-01-01') as bigint) * 10000 + {{ location_key }}) * 10
    + {{ attempt }}) * 10000000 + {{ number }}
{%- endmacro %}


{# Which attempt of its cart a session is, 0 without a cart. #}
{% macro attempt_of_session_key(session_key) %}{{ session_key }} div 10000000 % 10{% endmacro %}


{# The published id; the session of a cart has the digits of the cart. #}
{% macro session_id(session_key, cart_number) -%}
    concat(
        'SES_',
        cast(coalesce({{ cart_number }}, {{ session_key }}) as string),
        if({{ attempt_of_session_key(session_key) }} = 2, 'R', '')
    )
{%- endmacro %}


{# First day whose web events are kept. #}
{% macro first_event_day() -%}
    {%- set days = simulated_days() -%}
    {%- set kept = var("event_history_days") -%}
    {%- if days -%}
        {{ date_literal(first_event_date(days)) }}
    {%- elif kept == 0 -%}
        {{ first_simulated_day() }}
    {%- else -%}
        greatest(
            {{ first_simulated_day() }}, date_sub({{ last_simulated_day() }}, {{ kept }} - 1)
        )
    {%- endif -%}
{%- endmacro %}


{# The same as a date, for the days of simulated_days(). #}
{% macro first_event_date(days) %}
    {% set kept = var("event_history_days") %}
    {% if kept == 0 %}
        {% do return(days.first) %}
    {% endif %}
    {% do return([days.first, days.last - modules.datetime.timedelta(days=kept - 1)] | max) %}
{% endmacro %}


{#
    First day whose web events a weekly calculation knows: they are still kept six days later, so
    that the figures of a Sunday do not depend on when in the week they are calculated.
#}
{% macro first_weekly_event_day() -%}
    {%- set kept = var("event_history_days") -%}
    {%- if kept == 0 -%}
        {{ first_simulated_day() }}
    {%- else -%}
        greatest(
            {{ first_simulated_day() }}, date_sub({{ last_simulated_sunday() }}, {{ kept }} - 7)
        )
    {%- endif -%}
{%- endmacro %}


{# Row of int_product_pages: a page about one of the month's 10,000 buckets of popular products. #}
{% macro popular_page_key(month_key, bucket, page_number) -%}
    (cast({{ month_key }} as bigint) * 10000 + {{ bucket }}) * 100 + {{ page_number }}
{%- endmacro %}


{# Row of int_product_pages: a page about a certain product. #}
{% macro product_page_key(product_key, page_number) -%}
    cast(-{{ product_key }} as bigint) * 100 - {{ page_number }}
{%- endmacro %}


{# Row of int_session_profiles. #}
{% macro session_profile_key(channel_key, device_number, profile_number) -%}
    ({{ channel_key }} * 10 + {{ device_number }}) * 1000 + {{ profile_number }}
{%- endmacro %}


{#
    Part of a session and bucket of its script as one number: docs/engine_notes.md#keys-of-joins
#}
{% macro session_script_key(part, bucket) -%}
    case {{ part }}
        {%- for name in [
            'browse',
            'opening',
            'line',
            'second_thought',
            'bought',
            'nothing_left',
            'left_at_cart',
            'left_at_checkout',
        ] %}
        when '{{ name }}' then {{ loop.index0 * 1000 }}
        {%- endfor %}
    end + {{ bucket }}
{%- endmacro %}
