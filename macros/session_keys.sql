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
        {{ cart_suffix(attempt_of_session_key(session_key)) }}
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
    cast(-{{ product_key }} as bigint) * 1000 - ({{ page_number }})
{%- endmacro %}


{# A text as part of a web address. #}
{% macro query_text(text) -%}
    replace(replace(replace({{ text }}, '&', '%26'), chr(39), '%27'), ' ', '+')
{%- endmacro %}


{# Row of int_session_profiles. #}
{% macro session_profile_key(channel_key, device_number, browser_number, profile_number) -%}
    ((({{ channel_key }} * 10 + {{ device_number }}) * 100 + {{ browser_number }}) * 1000
    + {{ profile_number }})
{%- endmacro %}


{# The group of web_browsers that is used in a channel on a device. #}
{% macro browser_group(channel_code, device_type) -%}
    case {{ channel_code }}
        when 'APP_IOS' then 'ios_app'
        when 'APP_ANDROID' then 'android_app'
        else {{ device_type }}
    end
{%- endmacro %}


{# Row of int_visitor_browsers: system 0 for any, 1 for those with an iPhone, 2 for Android. #}
{% macro visitor_browser_key(channel_key, device_number, system_number, bucket) -%}
    ((({{ channel_key }} * 10 + {{ device_number }}) * 10 + {{ system_number }}) * 1000
    + {{ bucket }})
{%- endmacro %}


{# Row of int_visitors: month, location and number within. #}
{% macro visitor_key(month_key, location_key, number) -%}
    ((cast({{ month_key }} as bigint) * 10000 + {{ location_key }}) * 10000000 + {{ number }})
{%- endmacro %}


{# Number of a visitor who is a known customer: one for each of the customer's devices. #}
{% macro known_visitor_number(customer_number, device_number) -%}
    cast({{ customer_number }} as bigint) * 10 + {{ device_number }}
{%- endmacro %}


{#
    Number of an anonymous visitor: week, location, channel, device, slot and one of a few.

    What visits in the same slot on the days of a week is so divided among a few visitors, that
    each comes about twice: no visitor depends on how many there are, or on days that follow.
#}
{% macro anonymous_visitor_number(
    date, location_key, channel_key, device_number, slot, visitors_per_slot
) -%}
    (
        (
            (
                (
                    (10000 + (datediff({{ date }}, date '1970-01-01') + 3) div 7)
                    * cast(10000 as bigint)
                    + {{ location_key }}
                )
                * 100
                + {{ channel_key }}
            )
            * 10
            + {{ device_number }}
        )
        * 1000000
        + {{ slot }}
    )
    * 10
    + {{ uniform_int(
        'visitor_of_slot',
        [
            'datediff(' ~ date ~ ", date '1970-01-01')",
            location_key, channel_key, device_number, slot,
        ],
        0,
        visitors_per_slot ~ ' - 1'
    ) }}
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
