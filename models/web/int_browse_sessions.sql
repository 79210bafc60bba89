with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where is_digital and attempt = 1

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

visitors as (

    select * from {{ ref('int_visitors') }}

),

hours as (

    select * from {{ ref('demand_by_hour') }}
    where channel_group = 'digital' and weight > 0

),

habits as (

    select
        max(if(parameter = 'signed_in_share', parameter_value, null)) as signed_in_share,
        max(if(parameter = 'visitors_per_slot', parameter_value, null)) as visitors_per_slot
    from {{ ref('web_habits') }}

),

visitor_counts as (

    select
        visitor_key div 10000000 as month_location,
        count(*) as visitor_count,
        count_if(ios) as ios_count
    from visitors
    group by visitor_key div 10000000

),

first_attempts as (

    select
        date_key,
        location_key,
        channel_key,
        device_number,
        count(*) as cart_count
    from carts
    group by date_key, location_key, channel_key, device_number

),

-- So many sessions without a cart as the published share of sessions with one leaves over; the mean
-- number of an hour is rounded up or down by a draw, so that it holds on average.
browse_counts as (

    select
        first_attempts.date_key,
        first_attempts.location_key,
        first_attempts.channel_key,
        hours.hour,
        funnel.device_number,
        habits.visitors_per_slot,
        habits.signed_in_share,
        -- Whose phone the app runs on; nobody signs in where no such customer is served.
        if(
            channels.channel_code = 'APP_ANDROID', visitor_counts.ios_count, cast(0 as bigint)
        ) as first_visitor,
        case channels.channel_code
            when 'APP_IOS' then visitor_counts.ios_count
            when 'APP_ANDROID' then visitor_counts.visitor_count - visitor_counts.ios_count
            else visitor_counts.visitor_count
        end as visitor_count,
        cast(floor(
            first_attempts.cart_count
            * (1 - funnel.cart_share)
            / funnel.cart_share
            * hours.weight
            / 1000
            + {{ uniform('browse_sessions', [
                'first_attempts.date_key',
                'first_attempts.location_key',
                'first_attempts.channel_key',
                'funnel.device_number',
                'hours.hour',
            ]) }}
        ) as int) as session_count
    from first_attempts
    inner join channels on first_attempts.channel_key = channels.channel_key
    inner join funnel on first_attempts.device_number = funnel.device_number
    left join visitor_counts
        on
            {{ visitor_key('first_attempts.date_key div 100', 'first_attempts.location_key', 0) }}
            div 10000000
            = visitor_counts.month_location
    cross join hours
    cross join habits

),

browse_ranges as (

    select
        *,
        sum(session_count) over (
            partition by date_key, location_key order by channel_key, device_number, hour
            rows between unbounded preceding and current row
        ) - session_count as sessions_before,
        sum(session_count) over (
            partition by date_key, location_key, channel_key, device_number order by hour
            rows between unbounded preceding and current row
        ) - session_count as slots_before,
        {{ uniform_int(
            'slot_shift', ['date_key', 'location_key', 'channel_key', 'device_number'], 0, 255
        ) }} as slot_shift
    from browse_counts

),

-- The key once for a group of sessions, before they are exploded: docs/engine_notes.md#explode
browse_keys as (

    select
        *,
        {{ session_key(date_of_key('date_key'), 'location_key', 0, 'sessions_before') }}
            as session_key_before
    from browse_ranges
    where session_count > 0

),

browse_numbers as (

    select
        date_key,
        location_key,
        channel_key,
        device_number,
        hour,
        visitors_per_slot,
        first_visitor,
        visitor_count,
        signed_in_share,
        slots_before,
        slot_shift,
        session_key_before,
        explode(sequence(1, session_count)) as session_number
    from browse_keys

),

browse_draws as (

    select
        session_key_before + session_number as session_key,
        date_key,
        location_key,
        channel_key,
        device_number,
        cast(hour * 100 + session_number % 4 * 15 as int) as time_key,
        visitors_per_slot,
        first_visitor,
        visitor_count,
        signed_in_share,
        -- Numbers turn within blocks of 256: a slot has another hour on each day of the week.
        (slots_before + session_number) div 256 * 256
        + (slots_before + session_number + slot_shift) % 256 as slot,
        {{ uniform('visitor', ['session_key_before + session_number']) }} as visitor_draw
    from browse_numbers

),

-- The key of an anonymous visit has no match, and is spread as wide as the others.
browse_visitors as (

    select
        *,
        if(
            visitor_draw < signed_in_share and visitor_count > 0,
            {{ visitor_key(
                'date_key div 100',
                'location_key',
                'first_visitor
                + cast(floor(visitor_draw / signed_in_share * visitor_count) as bigint)'
            ) }},
            -session_key
        ) as visitor_key
    from browse_draws

),

final as (

    select
        browse_visitors.session_key,
        coalesce(visitors.customer_number, 0) as customer_number,
        browse_visitors.channel_key,
        browse_visitors.location_key,
        browse_visitors.date_key,
        browse_visitors.time_key,
        browse_visitors.device_number,
        if(
            visitors.customer_number is null,
            {{ anonymous_visitor_number(
                date_of_key('browse_visitors.date_key'),
                'browse_visitors.location_key',
                'browse_visitors.channel_key',
                'browse_visitors.device_number',
                'browse_visitors.slot',
                'browse_visitors.visitors_per_slot'
            ) }},
            {{ known_visitor_number(
                'visitors.customer_number', 'browse_visitors.device_number'
            ) }}
        ) as visitor_number
    from visitors
    right join browse_visitors on visitors.visitor_key = browse_visitors.visitor_key -- noqa: CV08

)

select * from final
