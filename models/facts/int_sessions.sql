with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}
    where is_digital

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

visitors as (

    select * from {{ ref('int_visitors') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

hours as (

    select * from {{ ref('demand_by_hour') }}
    where channel_group = 'digital' and weight > 0

),

-- Sessions that filled a cart: one for each attempt of a digital cart.
carts as (

    select
        cart_lines.cart_number,
        outcomes.attempt,
        min(cart_lines.cart_line_id) as first_cart_line_id,
        cast(count(*) as int) as items_count,
        max(cart_lines.customer_key) as customer_key_of_cart,
        max(cart_lines.channel_key) as channel_key,
        max(cart_lines.location_key) as location_key,
        max(outcomes.date_key) as date_key,
        max(cart_lines.time_key) as time_key,
        max(cart_lines.device_type) as device_type,
        max(outcomes.is_abandoned) as is_abandoned,
        max(outcomes.quantity_allocated) > 0 as is_converted,
        sum(
            outcomes.quantity_allocated
            * ({{ cents('cart_lines.unit_price') }} - {{ cents('cart_lines.discount_amount') }})
        ) as order_cents
    from cart_lines
    inner join outcomes on cart_lines.cart_line_id = outcomes.cart_line_id
    group by cart_lines.cart_number, outcomes.attempt

),

cart_sessions as (

    select
        {{ session_key(
            date_of_key('carts.cart_number div 10000000000'),
            'carts.location_key',
            'carts.attempt',
            'carts.cart_number % 1000000'
        ) }} as session_key,
        carts.cart_number,
        carts.attempt,
        carts.first_cart_line_id,
        carts.items_count,
        customers.customer_key,
        carts.channel_key,
        carts.location_key,
        carts.date_key,
        carts.time_key,
        funnel.device_number,
        carts.is_abandoned,
        carts.is_converted,
        carts.order_cents
    from carts
    inner join funnel on carts.device_type = funnel.device_type
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('carts.customer_key_of_cart') }}
            = {{ customer_number('customers.customer_key') }}
            and {{ date_of_key('carts.date_key') }}
            between customers.effective_date and customers.expiration_date

),

visitor_counts as (

    select
        location_key,
        max(visitor_count) as visitor_count
    from visitors
    group by location_key

),

first_attempts as (

    select
        date_key,
        location_key,
        channel_key,
        device_type,
        count(distinct cart_number) as cart_count
    from cart_lines
    group by date_key, location_key, channel_key, device_type

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
    inner join funnel on first_attempts.device_type = funnel.device_type
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

browse_numbers as (

    select
        date_key,
        location_key,
        channel_key,
        device_number,
        hour,
        visitor_count,
        {{ session_key(date_of_key('date_key'), 'location_key', 0, 'sessions_before') }}
            as session_key_before,
        explode(sequence(1, session_count)) as session_number
    from browse_ranges
    where session_count > 0

),

browse_draws as (

    select
        session_key_before + session_number as session_key,
        date_key,
        location_key,
        channel_key,
        device_number,
        cast(hour * 100 + session_number % 4 * 15 as int) as time_key,
        visitor_count,
        {{ uniform('visitor', ['session_key_before + session_number']) }} as visitor_draw
    from browse_numbers

),

browse_sessions as (

    select
        browse_draws.session_key,
        visitors.customer_key,
        browse_draws.channel_key,
        browse_draws.location_key,
        browse_draws.date_key,
        browse_draws.time_key,
        browse_draws.device_number
    from visitors
    -- Visitors are sorted by how often they shop: the square makes the frequent ones likelier.
    inner join browse_draws
        on
            visitors.location_key = browse_draws.location_key
            and visitors.visitor_position
            = 1 + cast(floor(
                browse_draws.visitor_draw
                * browse_draws.visitor_draw
                * browse_draws.visitor_count
            ) as int)
            and browse_draws.date_key
            between visitors.effective_date_key and visitors.expiration_date_key

),

final as (

    select
        session_key,
        cart_number,
        attempt,
        first_cart_line_id,
        items_count,
        customer_key,
        channel_key,
        location_key,
        date_key,
        time_key,
        device_number,
        is_abandoned,
        is_converted,
        order_cents
    from cart_sessions

    union all

    select
        session_key,
        cast(null as bigint) as cart_number,
        cast(null as int) as attempt,
        cast(null as bigint) as first_cart_line_id,
        0 as items_count,
        customer_key,
        channel_key,
        location_key,
        date_key,
        time_key,
        device_number,
        false as is_abandoned,
        false as is_converted,
        cast(0 as bigint) as order_cents
    from browse_sessions

)

select * from final
