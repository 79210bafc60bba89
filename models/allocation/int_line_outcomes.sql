with

allocation as (

    select * from {{ ref('int_allocation') }}

),

final as (

    select
        cart_line_id,
        attempt,
        date_key,
        opening_available,
        low_inventory_trigger,
        capacity_exceeded_trigger,
        is_abandoned,
        inventory_at_purchase,
        quantity_allocated,
        inventory_constrained_items,
        location_key,
        product_key,
        cart_number,
        customer_key,
        channel_key,
        time_key,
        promotion_key,
        is_digital,
        -- Who makes do with something else, or comes again, takes what is there.
        if(attempt > 2, quantity_allocated, quantity_requested) as quantity_requested,
        price_cents,
        discount_cents,
        return_lag_days,
        restock_delay_days,
        first_attempt,
        substitute_product_key,
        quantity_substituted,
        wait_lag_days
    from allocation
    where
        record_kind = 'line_outcome'
        and (attempt <= 2 or quantity_allocated > 0)
        and {{ is_new('date_key') }}

)

select * from final
