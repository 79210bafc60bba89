-- Do the stockout events cover every stockout day of the inventory, location by location, and
-- nothing else?
with

events as (

    select * from {{ ref('gold_stockout_events') }}

),

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where is_stockout

),

days_of_events as (

    select
        location_key,
        count(*) as stockout_events,
        count(if(stockout_end_date is null, 1, null)) as open_events,
        sum(
            datediff(
                coalesce(stockout_end_date, {{ last_simulated_day() }}), stockout_start_date
            )
            + 1
        ) as days_in_events
    from events
    group by location_key

),

days_of_inventory as (

    select
        location_key,
        count(*) as stockout_days
    from inventory
    group by location_key

)

select
    coalesce(days_of_inventory.location_key, days_of_events.location_key) as location_key,
    coalesce(days_of_events.stockout_events, 0) as stockout_events,
    coalesce(days_of_events.open_events, 0) as open_events,
    coalesce(days_of_events.days_in_events, 0) as days_in_events,
    coalesce(days_of_inventory.stockout_days, 0) as stockout_days,
    coalesce(days_of_inventory.stockout_days, 0)
    - coalesce(days_of_events.days_in_events, 0) as days_missing
from days_of_inventory
full outer join days_of_events
    on days_of_inventory.location_key = days_of_events.location_key
order by location_key asc
