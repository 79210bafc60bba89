with

sessions as (

    select * from {{ ref('int_sessions') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

profiles as (

    select * from {{ ref('int_session_profiles') }}

),

-- One profile of each browser tells its system.
systems as (

    select
        profile_key div 1000 as browser_key,
        max(operating_system) as operating_system
    from profiles
    group by profile_key div 1000

),

customer_sessions as (

    select
        {{ customer_number('sessions.customer_key') }} as customer_number,
        {{ date_key(week_start(date_of_key('sessions.date_key'))) }} as week_key,
        systems.operating_system
    from systems
    inner join sessions
        on
            systems.browser_key
            = {{ session_profile_key(
                'sessions.channel_key', 'sessions.device_number', 'sessions.browser_number', 0
            ) }} div 1000
    where sessions.customer_key != 0

),

customer_weeks as (

    select
        customer_number,
        week_key,
        count(distinct operating_system) as system_count
    from customer_sessions
    group by customer_number, week_key

),

customers as (

    select
        count(*) as customer_weeks,
        sum(system_count) as systems
    from customer_weeks

),

devices as (

    select
        count(*) as session_count,
        count(if(funnel.device_type = 'mobile', 1, null)) as mobile_sessions,
        count_if(sessions.is_signed_in) as signed_in_sessions,
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
            ) }},
            {{ measured_ratio(
                'systems_per_customer_week',
                'systems',
                'customer_weeks',
                'operating systems in weeks of known customers with web visits'
            ) }},
            {{ measured_ratio(
                'signed_in_share',
                'signed_in_sessions',
                'session_count',
                'sessions on the days with web events'
            ) }}
        ))
    from devices
    cross join customers

)

select * from final
