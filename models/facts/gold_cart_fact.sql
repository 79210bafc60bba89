with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

carts as (

    select
        cart_lines.cart_number,
        outcomes.attempt,
        max(cart_lines.customer_key) as first_cart_customer_key,
        max(outcomes.date_key) as date_key,
        max(cart_lines.time_key) as time_key,
        max(cart_lines.location_key) as location_key,
        max(cart_lines.channel_key) as channel_key,
        max(cart_lines.device_type) as device_type,
        bool_or(cart_lines.is_digital) as is_digital,
        count(*) as items_count,
        sum(cart_lines.quantity_requested) as units_requested,
        sum(
            cart_lines.quantity_requested
            * ({{ cents('cart_lines.unit_price') }} - {{ cents('cart_lines.discount_amount') }})
        ) as value_cents,
        max(outcomes.inventory_constrained_items) as inventory_constrained_items,
        bool_or(outcomes.low_inventory_trigger) as low_inventory_trigger,
        bool_or(outcomes.capacity_exceeded_trigger) as capacity_exceeded_trigger,
        max(cart_lines.base_abandonment_rate) as base_abandonment_rate,
        bool_or(outcomes.is_abandoned) as is_abandoned,
        sum(outcomes.quantity_allocated) as units_sold
    from outcomes
    inner join cart_lines on outcomes.cart_line_id = cart_lines.cart_line_id
    group by cart_lines.cart_number, outcomes.attempt

),

described as (

    select
        *,
        {{ date_of_key('date_key') }} as calendar_date,
        concat(cast(cart_number as string), if(attempt = 1, '', 'R')) as cart_digits
    from carts

),

final as (

    select
        concat('CART_', described.cart_digits) as cart_id,
        if(
            described.attempt = 1,
            null,
            concat('CART_', cast(described.cart_number as string))
        ) as recovered_from_cart_id,
        if(described.is_digital, concat('SES_', described.cart_digits), null) as session_id,
        customers.customer_key,
        customers.segment,
        described.date_key,
        described.time_key,
        described.location_key,
        described.channel_key,
        described.device_type,
        described.is_digital,
        cast(described.items_count as int) as items_count,
        cast(described.units_requested as int) as units_requested,
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
        cast(described.units_sold as int) as units_sold,
        cast(
            if(described.is_abandoned, 0, described.units_requested - described.units_sold) as int
        ) as units_lost,
        if(described.is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from described
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('described.first_cart_customer_key') }}
            = {{ customer_number('customers.customer_key') }}
            and described.calendar_date
            between customers.effective_date and customers.expiration_date

)

select * from final
