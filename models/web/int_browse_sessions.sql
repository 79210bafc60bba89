with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where is_digital and attempt = 1

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

visitor_counts as (

    select
        location_key,
        min(visitor_number) as first_visitor_number,
        max(visitor_count) as visitor_count
    from visitors
    group by location_key

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
        visitor_counts.first_visitor_number,
        visitor_counts.visitor_count,
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
    inner join funnel on first_attempts.device_number = funnel.device_number
    inner join visitor_counts on first_attempts.location_key = visitor_counts.location_key
    cross join hours

),

browse_ranges as (

    select
        *,
        sum(session_count) over (
            partition by date_key, location_key order by channel_key, device_number, hour
            rows between unbounded preceding and current row
        ) - session_count as sessions_before
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
        first_visitor_number,
        visitor_count,
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
        first_visitor_number,
        visitor_count,
        {{ uniform('visitor', ['session_key_before + session_number']) }} as visitor_draw
    from browse_numbers

),

final as (

    select
        browse_draws.session_key,
        visitors.customer_number,
        browse_draws.channel_key,
        browse_draws.location_key,
        browse_draws.date_key,
        browse_draws.time_key,
        browse_draws.device_number
    from visitors
    -- Visitors are sorted by how often they shop: the square makes the frequent ones likelier.
    inner join browse_draws
        on
            visitors.visitor_number
            = browse_draws.first_visitor_number
            + cast(floor(
                browse_draws.visitor_draw
                * browse_draws.visitor_draw
                * browse_draws.visitor_count
            ) as int)

)

select * from final
