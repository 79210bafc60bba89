-- How often does each category run out, and how many of the units wanted does that cost?
with

daily as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

stockout_days as (

    select * from {{ ref('int_stockout_days') }}

),

stock as (

    select
        category_level_1,
        sum(position_days) as position_days,
        sum(stockout_days) as stockout_days
    from stockout_days
    group by category_level_1

),

sales as (

    select
        category_level_1,
        sum(units_requested) as units_requested,
        sum(units_lost) as units_lost
    from daily
    group by category_level_1

)

select
    stock.category_level_1,
    stock.position_days,
    stock.stockout_days,
    coalesce(sales.units_requested, 0) as units_requested,
    coalesce(sales.units_lost, 0) as units_lost
from stock
left join sales on stock.category_level_1 = sales.category_level_1
order by stock.category_level_1 asc
