with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where is_digital and date_key >= {{ date_key(first_event_day()) }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

browse_sessions as (

    select * from {{ ref('int_browse_sessions') }}
    where date_key >= {{ date_key(first_event_day()) }}

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
        carts.device_number,
        carts.is_abandoned,
        carts.units_allocated > 0 as is_converted,
        carts.order_cents
    from carts
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('carts.customer_key') }}
            = {{ customer_number('customers.customer_key') }}
            and {{ date_of_key('carts.date_key') }}
            between customers.effective_date and customers.expiration_date

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
