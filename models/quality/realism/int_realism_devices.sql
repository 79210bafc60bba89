with

sessions as (

    select * from {{ ref('int_sessions') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

devices as (

    select
        count(*) as session_count,
        count(if(funnel.device_type = 'mobile', 1, null)) as mobile_sessions,
        sum(sessions.order_cents) as order_cents,
        sum(if(funnel.device_type = 'mobile', sessions.order_cents, 0)) as mobile_cents
    from funnel
    inner join sessions on funnel.device_number = sessions.device_number

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'mobile_share_of_sessions',
                'mobile_sessions',
                'session_count',
                'sessions on the days with web events'
            ) }},
            {{ measured_ratio(
                'mobile_share_of_sales',
                'mobile_cents',
                'order_cents',
                'cents of orders on the days with web events'
            ) }}
        ))
    from devices

)

select * from final
