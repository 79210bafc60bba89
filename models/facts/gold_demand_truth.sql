with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and {{ is_new('date_key', days_back=longest_wait()) }}

),

later_visits as (

    select * from outcomes
    where attempt = 4

),

lines as (

    select
        outcomes.product_key,
        outcomes.location_key,
        outcomes.date_key,
        outcomes.attempt,
        outcomes.quantity_requested,
        outcomes.quantity_allocated,
        outcomes.quantity_requested - outcomes.quantity_allocated as quantity_missing,
        if(outcomes.attempt <= 2, outcomes.quantity_substituted, 0) as quantity_substituted,
        outcomes.wait_lag_days is not null as waits,
        coalesce(later_visits.quantity_allocated, 0) as quantity_bought_later
    from outcomes
    left join later_visits
        on
            outcomes.cart_line_id = later_visits.cart_line_id
            and outcomes.wait_lag_days is not null

),

totals as (

    select
        product_key,
        location_key,
        date_key,
        sum(if(attempt <= 2, quantity_requested, 0)) as quantity_wanted,
        sum(if(attempt <= 2, quantity_allocated, 0)) as quantity_sold_first,
        sum(quantity_substituted) as quantity_substituted_out,
        sum(if(attempt = 3, quantity_allocated, 0)) as quantity_substituted_in,
        sum(if(waits, quantity_missing, 0)) as quantity_waited,
        sum(quantity_bought_later) as quantity_bought_later,
        sum(if(attempt = 4, quantity_allocated, 0)) as quantity_sold_to_waiting,
        sum(quantity_missing - quantity_substituted - quantity_bought_later)
            as quantity_finally_lost
    from lines
    group by product_key, location_key, date_key

),

final as (

    select
        product_key,
        location_key,
        date_key,
        cast(quantity_wanted as int) as quantity_wanted,
        cast(quantity_sold_first as int) as quantity_sold_first,
        cast(quantity_substituted_out as int) as quantity_substituted_out,
        cast(quantity_substituted_in as int) as quantity_substituted_in,
        cast(quantity_waited as int) as quantity_waited,
        cast(quantity_bought_later as int) as quantity_bought_later,
        cast(quantity_sold_to_waiting as int) as quantity_sold_to_waiting,
        cast(quantity_finally_lost as int) as quantity_finally_lost,
        {{ audit_columns('stocktrue') }}
    from totals

)

select * from final
