with

allocation as (

    select * from {{ ref('int_allocation') }}

),

final as (

    select
        cart_number,
        attempt,
        first_cart_line_id,
        date_key,
        customer_key,
        location_key,
        channel_key,
        time_key,
        device_number,
        is_digital,
        base_abandonment_rate,
        inventory_constrained_items,
        low_inventory_trigger,
        capacity_exceeded_trigger,
        is_abandoned,
        is_inventory_caused,
        is_recovery_due,
        items_count,
        units_requested,
        units_allocated,
        value_cents,
        order_cents,
        first_attempt
    from allocation
    where record_kind = 'cart_outcome' and {{ is_new('date_key') }}

)

select * from final
