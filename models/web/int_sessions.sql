with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where
        is_digital
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

browse_sessions as (

    select * from {{ ref('int_browse_sessions') }}
    where
        date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

sessions as (

    select
        {{ session_key(
            date_of_key('cart_number div 10000000000'),
            'location_key',
            'attempt',
            'cart_number % 1000000'
        ) }} as session_key,
        cart_number,
        attempt,
        first_cart_line_id,
        items_count,
        {{ customer_number('customer_key') }} as customer_number,
        channel_key,
        location_key,
        date_key,
        time_key,
        device_number,
        is_abandoned,
        units_allocated > 0 as is_converted,
        order_cents
    from carts

    union all

    select
        session_key,
        cast(null as bigint) as cart_number,
        cast(null as int) as attempt,
        cast(null as bigint) as first_cart_line_id,
        0 as items_count,
        customer_number,
        channel_key,
        location_key,
        date_key,
        time_key,
        device_number,
        false as is_abandoned,
        false as is_converted,
        cast(0 as bigint) as order_cents
    from browse_sessions

),

final as (

    select
        sessions.session_key,
        sessions.cart_number,
        sessions.attempt,
        sessions.first_cart_line_id,
        sessions.items_count,
        customers.customer_key,
        sessions.channel_key,
        sessions.location_key,
        sessions.date_key,
        sessions.time_key,
        sessions.device_number,
        sessions.is_abandoned,
        sessions.is_converted,
        sessions.order_cents
    from customers
    inner join sessions
        on
            {{ customer_number('customers.customer_key') }} = sessions.customer_number
            and {{ date_of_key('sessions.date_key') }}
            between customers.effective_date and customers.expiration_date

)

select * from final
