with

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

traffic_plan as (

    select * from {{ ref('int_traffic_plan') }}

),

basket_sizes as (

    select * from {{ ref('basket_sizes') }}

),

units_per_line as (

    select * from {{ ref('units_per_line') }}

),

known_shares as (

    select * from {{ ref('known_shares') }}

),

lives as (

    select max(if(parameter = 'first_order_share', parameter_value, null)) as first_order_share
    from {{ ref('customer_lives') }}

),

mean_quantity as (

    select cast(sum(quantity * weight) as double) / sum(weight) as quantity
    from units_per_line

),

mean_items as (

    select
        channel_group,
        cast(sum(items_count * weight) as double) / sum(weight) as items
    from basket_sizes
    group by channel_group

),

-- First orders of known customers on an average day; online, the carts of which these are left.
average_days as (

    select
        location_demand.location_key,
        location_demand.channel_group,
        location_demand.average_daily_units
        / (mean_items.items * mean_quantity.quantity)
        * known_shares.known_share
        * lives.first_order_share
        / if(location_demand.channel_group = 'digital', {{ share_not_abandoned() }}, 1)
            as first_carts
    from location_demand
    inner join mean_items on location_demand.channel_group = mean_items.channel_group
    inner join known_shares on location_demand.channel_group = known_shares.channel_group
    cross join mean_quantity
    cross join lives

),

drawn as (

    select
        traffic_plan.calendar_date,
        traffic_plan.date_key,
        average_days.location_key,
        cast(
            floor(
                average_days.first_carts * traffic_plan.demand_index
                + {{ uniform(
                    'new_customers', ['traffic_plan.date_key', 'average_days.location_key']
                ) }}
            ) as int
        ) as new_customers
    from average_days
    inner join traffic_plan on average_days.channel_group = traffic_plan.channel_group
    where traffic_plan.is_simulated

),

counted as (

    select
        *,
        sum(new_customers) over (
            order by date_key, location_key
            rows between unbounded preceding and current row
        ) as joined_so_far
    from drawn
    where new_customers > 0

),

final as (

    select
        calendar_date,
        location_key,
        new_customers,
        cast(
            {{ var('num_customers') | int + 1 }} + joined_so_far - new_customers as int
        ) as first_number
    from counted

)

select * from final
