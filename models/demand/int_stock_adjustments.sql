with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

schedules as (

    select * from {{ ref('supply_schedule') }}

),

traffic as (

    select * from {{ ref('int_traffic_plan') }}
    where is_simulated and {{ is_new('date_key') }}

),

products as (

    select
        product_key,
        end_of_life_date,
        row_number() over (order by product_key) as product_position,
        count(*) over () as product_count
    from {{ ref('gold_product_dim') }}

),

product_count as (

    select max(product_count) as product_count from products

),

-- One unit an event; the mean number is rounded up or down by a draw, so that it holds on average.
location_days as (

    select
        locations.location_key,
        traffic.date_key,
        schedules.shrinkage_rate / (schedules.shrinkage_rate + schedules.damage_rate)
            as shrinkage_share,
        schedules.write_off_lag_days,
        product_count.product_count,
        cast(floor(
            location_demand.average_daily_units
            * traffic.demand_index
            * (schedules.shrinkage_rate + schedules.damage_rate)
            + {{ uniform('adjustment_count', ['locations.location_key', 'traffic.date_key']) }}
        ) as int) as event_count
    from locations
    inner join location_demand on locations.location_key = location_demand.location_key
    inner join schedules on locations.location_type = schedules.location_type
    inner join traffic on location_demand.channel_group = traffic.channel_group
    cross join product_count

),

events as (

    select
        *,
        explode(sequence(1, event_count)) as event_number
    from location_days
    where event_count > 0

),

drawn as (

    select
        *,
        1 + cast(
            {{ uniform('adjusted_product', ['location_key', 'date_key', 'event_number']) }}
            * product_count as int
        ) as product_position,
        {{ uniform('adjustment_type', ['location_key', 'date_key', 'event_number']) }}
        >= shrinkage_share as is_damage
    from events

),

final as (

    select
        drawn.location_key,
        products.product_key,
        drawn.date_key,
        drawn.is_damage,
        count(*) as adjusted_quantity,
        max(drawn.write_off_lag_days) as write_off_lag_days
    from drawn
    inner join products on drawn.product_position = products.product_position
    -- What is damaged is written off before the rest of the product is liquidated.
    where drawn.date_key <= coalesce({{ date_key('products.end_of_life_date') }}, 99991231)
    group by drawn.location_key, products.product_key, drawn.date_key, drawn.is_damage

)

select * from final
