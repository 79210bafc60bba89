-- How often does each location run out, and how many of the units wanted does that cost?
with

daily as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

stockout_days as (

    select * from {{ ref('int_stockout_days') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

stock as (

    select
        location_key,
        sum(position_days) as position_days,
        sum(stockout_days) as stockout_days
    from stockout_days
    group by location_key

),

sales as (

    select
        location_key,
        sum(units_requested) as units_requested,
        sum(units_lost) as units_lost
    from daily
    group by location_key

)

select
    locations.location_key,
    locations.location_name,
    locations.location_type,
    locations.region,
    stock.position_days,
    stock.stockout_days,
    coalesce(sales.units_requested, 0) as units_requested,
    coalesce(sales.units_lost, 0) as units_lost
from stock
inner join locations on stock.location_key = locations.location_key
left join sales on stock.location_key = sales.location_key
order by locations.location_key asc
