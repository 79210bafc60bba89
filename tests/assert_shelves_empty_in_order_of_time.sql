-- A shelf gets nothing during the day, and lines are served in order of the time of day,
-- substitutes after what was chosen first: each finds what the earlier ones have left. In a quarter
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
        inventory_at_purchase,
        opening_available
        + quantity_allocated
        - sum(quantity_allocated) over (
            partition by product_key, location_key, date_key
            order by
                if(attempt = 3, 1, 0) asc,
                time_key asc,
                inventory_at_purchase desc,
                cart_line_id asc
            rows between unbounded preceding and current row
        ) as units_left
    from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and {{ is_new('date_key') }}

)

select * from served
where inventory_at_purchase != units_left
