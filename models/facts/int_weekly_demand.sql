with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and date_key <= {{ date_key(last_simulated_sunday()) }}
        and {{ is_new_week('date_key') }}

),

final as (

    select
        product_key,
        location_key,
        {{ week_start(date_of_key('date_key')) }} as week_start,
        sum(quantity_requested) as units_requested,
        sum(quantity_allocated) as units_sold,
        sum(quantity_allocated * (price_cents - discount_cents)) as revenue_cents
    from outcomes
    group by product_key, location_key, {{ week_start(date_of_key('date_key')) }}

)

select * from final
