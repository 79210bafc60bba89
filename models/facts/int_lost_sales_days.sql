with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and quantity_allocated < quantity_requested
        and {{ is_new('date_key') }}

),

final as (

    select
        product_key,
        location_key,
        date_key,
        count(*) as lost_attempts,
        sum(quantity_requested - quantity_allocated) as lost_quantity,
        sum((quantity_requested - quantity_allocated) * (price_cents - discount_cents))
            as lost_cents
    from outcomes
    group by product_key, location_key, date_key

)

select * from final
