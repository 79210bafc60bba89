with

sessions as (

    select * from {{ ref('int_sessions') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

devices as (

    select
        funnel.device_type,
        count(*) as session_count,
        count(if(sessions.items_count > 0, 1, null)) as cart_sessions,
        count(if(sessions.is_converted, 1, null)) as converted_sessions
    from funnel
    inner join sessions on funnel.device_number = sessions.device_number
    group by funnel.device_type

),

searches as (

    select
        count(*) as search_count,
        count_if(event_action = 'no_result') as missed_searches
    from {{ ref('gold_customer_event_fact') }}
    where event_type = 'search'

),

all_sessions as (

    select
        {%- for device in ['mobile', 'desktop'] %}
            coalesce(sum(if(device_type = '{{ device }}', session_count, 0)), 0)
                as {{ device }}_sessions,
            coalesce(sum(if(device_type = '{{ device }}', converted_sessions, 0)), 0)
                as {{ device }}_converted,
        {%- endfor %}
        coalesce(sum(session_count), 0) as session_count,
        coalesce(sum(cart_sessions), 0) as cart_sessions,
        coalesce(sum(converted_sessions), 0) as converted_sessions
    from devices

),

final as (

    select
        inline(array( -- noqa: AL03
            {% for metric_id, numerator, denominator in [
                ('add_to_cart_share', 'cart_sessions', 'session_count'),
                ('conversion_rate', 'converted_sessions', 'session_count'),
                ('conversion_rate_mobile', 'mobile_converted', 'mobile_sessions'),
                ('conversion_rate_desktop', 'desktop_converted', 'desktop_sessions'),
            ] -%}
                {{ measured_ratio(
                    metric_id, numerator, denominator, 'sessions on the days with web events'
                ) }},
            {%- endfor %}
            {{ measured_ratio(
                'searches_without_result',
                'missed_searches',
                'search_count',
                'searches on the days with web events'
            ) }}
        ))
    from all_sessions
    cross join searches

)

select * from final
