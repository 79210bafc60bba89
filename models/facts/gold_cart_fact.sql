with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where {{ is_new('date_key') }}

),

devices as (

    select * from {{ ref('web_funnel') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

described as (

    select
        *,
        {{ date_of_key('date_key') }} as calendar_date,
        concat(cast(cart_number as string), {{ cart_suffix('attempt') }}) as cart_digits,
        concat(
            'CART_',
            cast(cart_number as string),
            if(attempt = 4, {{ cart_suffix('first_attempt') }}, '')
        ) as earlier_cart_id
    from carts

),

final as (

    select
        concat('CART_', described.cart_digits) as cart_id,
        if(described.attempt = 2, described.earlier_cart_id, null) as recovered_from_cart_id,
        if(described.is_digital, concat('SES_', described.cart_digits), null) as session_id,
        customers.customer_key,
        customers.segment,
        described.date_key,
        described.time_key,
        described.location_key,
        described.channel_key,
        devices.device_type,
        described.is_digital,
        described.items_count,
        described.units_requested,
        described.value_cents / 100.0D as cart_value,
        described.inventory_constrained_items,
        described.low_inventory_trigger,
        described.capacity_exceeded_trigger,
        described.base_abandonment_rate,
        case
            when not described.is_digital then 0.0D
            when described.low_inventory_trigger or described.capacity_exceeded_trigger
                then
                    least(
                        described.base_abandonment_rate
                        + cast({{ var('cart_abandonment_increase') }} as double),
                        1.0D
                    )
            else described.base_abandonment_rate
        end as abandonment_rate,
        described.is_abandoned,
        described.units_allocated as units_sold,
        if(described.is_abandoned, 0, described.units_requested - described.units_allocated)
            as units_lost,
        case described.attempt when 2 then 'recovery' when 4 then 'later_visit' else 'first' end
            as cart_role,
        if(described.attempt = 4, described.earlier_cart_id, null) as waited_since_cart_id,
        if(described.is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from described
    left join devices on described.device_number = devices.device_number
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('described.customer_key') }}
            = {{ customer_number('customers.customer_key') }}
            and described.calendar_date
            between customers.effective_date and customers.expiration_date

)

select * from final
