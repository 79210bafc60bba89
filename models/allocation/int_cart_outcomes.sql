with

allocation as (

    select * from {{ ref('int_allocation') }}

),

unfolded as (

    select
        location_key,
        -- One column for each field of the struct.
        inline(cart_outcomes) -- noqa: AL03
    from allocation

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
        order_cents
    from unfolded

)

select * from final
