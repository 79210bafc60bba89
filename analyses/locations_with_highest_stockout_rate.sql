-- Which locations run out most often: on what share of their product-days is nothing available?
with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

rates as (

    select
        location_key,
        count(*) as position_days,
        count(if(is_stockout, 1, null)) as stockout_days
    from inventory
    group by location_key

)

select
    locations.location_key,
    locations.location_name,
    locations.location_type,
    rates.position_days,
    rates.stockout_days,
    rates.stockout_days / cast(rates.position_days as double) as stockout_rate
from rates
inner join locations on rates.location_key = locations.location_key
order by stockout_rate desc, locations.location_key asc
