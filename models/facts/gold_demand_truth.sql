with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and {{ is_new('date_key', days_back=longest_wait()) }}

),

lost_sales_days as (

    select * from {{ ref('int_lost_sales_days') }}
    where {{ is_new('date_key', days_back=longest_wait()) }}

),

outcome_days as (

    select
        product_key,
        location_key,
        date_key,
        sum(if(attempt <= 2, quantity_requested, 0)) as quantity_wanted,
        sum(if(attempt <= 2, quantity_allocated, 0)) as quantity_sold_first,
        sum(if(attempt = 3, quantity_allocated, 0)) as quantity_substituted_in,
        sum(if(attempt = 4, quantity_allocated, 0)) as quantity_sold_to_waiting
    from outcomes
    group by product_key, location_key, date_key

),

-- On a day without a short line nothing is missing.
known_days as (

    select
        outcome_days.*,
        coalesce(lost_sales_days.lost_quantity, 0) as lost_quantity,
        coalesce(lost_sales_days.substituted_quantity, 0) as substituted_quantity,
        coalesce(lost_sales_days.waited_quantity, 0) as waited_quantity,
        coalesce(lost_sales_days.bought_later_quantity, 0) as bought_later_quantity
    from outcome_days
    left join lost_sales_days
        on
            outcome_days.product_key = lost_sales_days.product_key
            and outcome_days.location_key = lost_sales_days.location_key
            and outcome_days.date_key = lost_sales_days.date_key

),

final as (

    select
        product_key,
        location_key,
        date_key,
        cast(quantity_wanted as int) as quantity_wanted,
        cast(quantity_sold_first as int) as quantity_sold_first,
        cast(substituted_quantity as int) as quantity_substituted_out,
        cast(quantity_substituted_in as int) as quantity_substituted_in,
        cast(waited_quantity as int) as quantity_waited,
        cast(bought_later_quantity as int) as quantity_bought_later,
        cast(quantity_sold_to_waiting as int) as quantity_sold_to_waiting,
        cast(lost_quantity - substituted_quantity - bought_later_quantity as int)
            as quantity_finally_lost,
        {{ audit_columns('stocktrue') }}
    from known_days

)

select * from final
