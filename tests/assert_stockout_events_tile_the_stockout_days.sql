-- Every day without stock belongs to one event and every event holds such days only; two events of
-- a position never touch, or they would be one.
with

stockout_events as (

    select
        stockout_id,
        product_key,
        location_key,
        stockout_start_date,
        coalesce(stockout_end_date, {{ last_simulated_day() }}) as last_date
    from {{ ref('gold_stockout_events') }}
    -- An event that ended on the day before the new ones may touch one of these.
    where {{ is_new('coalesce(stockout_end_date_key, 99991231)', days_back=1) }}

),

event_days as (

    select
        product_key,
        location_key,
        explode(
            sequence(greatest(stockout_start_date, {{ first_new_day() }}), last_date)
        ) as calendar_date
    from stockout_events
    where last_date >= {{ first_new_day() }}

),

stockout_days as (

    select
        product_key,
        location_key,
        {{ date_of_key('date_key') }} as calendar_date
    from {{ ref('gold_inventory_fact') }}
    where is_stockout and {{ is_new('date_key') }}

),

days_of_both as (

    select
        *,
        1 as event_count,
        0 as stockout_count
    from event_days

    union all

    select
        *,
        0 as event_count,
        1 as stockout_count
    from stockout_days

),

-- A day that is not once on each side is missing, invented or in two events.
wrong_days as (

    select
        'not one event and one stockout day' as problem,
        product_key,
        location_key,
        calendar_date
    from days_of_both
    group by product_key, location_key, calendar_date
    having sum(event_count) != 1 or sum(stockout_count) != 1

),

followed_events as (

    select
        *,
        lead(stockout_start_date) over (
            partition by product_key, location_key order by stockout_start_date
        ) as next_start_date
    from stockout_events

),

touching_events as (

    select
        'touches the next event' as problem,
        product_key,
        location_key,
        last_date as calendar_date
    from followed_events
    where next_start_date <= date_add(last_date, 1)

)

select * from wrong_days
union all
select * from touching_events
