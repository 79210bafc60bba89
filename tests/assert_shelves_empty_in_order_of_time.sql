-- A shelf gets nothing during the day, and lines are served in order of the time of day,
-- substitutes after what was chosen first: each finds what the one before has left. In a quarter
-- hour, the one that found more was the earlier one.
with

served as (

    select
        cart_line_id,
        attempt,
        product_key,
        location_key,
        date_key,
        time_key,
        if(attempt = 3, 1, 0) as is_substitute,
        inventory_at_purchase,
        quantity_allocated,
        opening_available
    from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and {{ is_new('date_key') }}

),

-- A window for each shelf and day would be slow: docs/engine_notes.md#sorts-and-windows
neighbours as (

    select
        *,
        lag(product_key) over shelves as previous_product_key,
        lag(date_key) over shelves as previous_date_key,
        lag(inventory_at_purchase - quantity_allocated) over shelves as previous_left
    from served
    window
        shelves as (
            partition by location_key
            order by
                product_key asc,
                date_key asc,
                is_substitute asc,
                time_key asc,
                inventory_at_purchase desc,
                cart_line_id asc
        )

),

expected as (

    select
        *,
        if(
            product_key = previous_product_key and date_key = previous_date_key,
            previous_left,
            opening_available
        ) as units_left
    from neighbours

)

select * from expected
where inventory_at_purchase != units_left
