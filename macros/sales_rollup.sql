{#
    The rows of a sales rollup: sums over the days of each period, a day's period given by
    `period`, an expression of columns of gold_date_dim. `is_open` is a condition for the days of
    periods that may have changed.

    Known customers are counted over the whole period, so they come first; all else is a sum of
    sums.
#}
{% macro sales_rollup(period_key, period, is_open) %}
with

dates as (

    select * from {{ ref('gold_date_dim') }}
    where {{ is_open }}

),

customer_days as (

    select * from {{ ref('int_customer_sales_days') }}
    where {{ is_open }}

),

stockout_days as (

    select * from {{ ref('int_stockout_days') }}
    where {{ is_open }}

),

periods as (

    select
        date_key as day_key,
        {{ period }} as {{ period_key }}
    from dates

),

by_customer as (

    select
        periods.{{ period_key }},
        customer_days.category_level_1,
        customer_days.location_key,
        customer_days.channel_key,
        customer_days.customer_number,
        sum(customer_days.order_count) as order_count,
        sum(customer_days.units_sold) as units_sold,
        sum(customer_days.units_returned) as units_returned,
        sum(customer_days.gross_cents) as gross_cents,
        sum(customer_days.returned_cents) as returned_cents,
        sum(customer_days.margin_cents) as margin_cents,
        sum(customer_days.units_requested) as units_requested,
        sum(customer_days.units_lost) as units_lost,
        sum(customer_days.lost_cents) as lost_cents,
        sum(customer_days.units_substituted) as units_substituted,
        sum(customer_days.units_bought_later) as units_bought_later
    from periods
    inner join customer_days on periods.day_key = customer_days.date_key
    group by
        periods.{{ period_key }},
        customer_days.category_level_1,
        customer_days.location_key,
        customer_days.channel_key,
        customer_days.customer_number

),

totals as (

    select
        {{ period_key }},
        category_level_1,
        location_key,
        channel_key,
        sum(order_count) as order_count,
        count(if(order_count > 0 and customer_number != 0, 1, null)) as customer_count,
        sum(units_sold) as units_sold,
        sum(units_returned) as units_returned,
        sum(gross_cents) as gross_cents,
        sum(returned_cents) as returned_cents,
        sum(margin_cents) as margin_cents,
        sum(units_requested) as units_requested,
        sum(units_lost) as units_lost,
        sum(lost_cents) as lost_cents,
        sum(units_substituted) as units_substituted,
        sum(units_bought_later) as units_bought_later
    from by_customer
    group by {{ period_key }}, category_level_1, location_key, channel_key

),

stockouts as (

    select
        periods.{{ period_key }},
        stockout_days.category_level_1,
        stockout_days.location_key,
        sum(stockout_days.stockout_days)
        / cast(sum(stockout_days.position_days) as double) as stockout_rate
    from periods
    inner join stockout_days on periods.day_key = stockout_days.date_key
    group by
        periods.{{ period_key }},
        stockout_days.category_level_1,
        stockout_days.location_key

)

select
    totals.{{ period_key }},
    totals.category_level_1,
    totals.location_key,
    totals.channel_key,
    totals.order_count,
    totals.customer_count,
    totals.units_sold,
    totals.units_returned,
    totals.gross_cents / 100.0D as gross_revenue,
    totals.returned_cents / 100.0D as returned_revenue,
    (totals.gross_cents - totals.returned_cents) / 100.0D as net_revenue,
    totals.margin_cents / 100.0D as gross_margin,
    totals.units_requested,
    totals.units_lost,
    totals.lost_cents / 100.0D as lost_revenue,
    stockouts.stockout_rate,
    totals.gross_cents / 100.0D / nullif(totals.order_count, 0) as average_order_value,
    totals.units_substituted,
    totals.units_bought_later
from totals
left join stockouts
    on
        totals.{{ period_key }} = stockouts.{{ period_key }}
        and totals.category_level_1 = stockouts.category_level_1
        and totals.location_key = stockouts.location_key
{% endmacro %}
