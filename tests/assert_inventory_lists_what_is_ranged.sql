-- A snapshot lists what is ranged: at each location a product has a row on every day from its
-- launch delivery on, which comes on the first receipt day of the two weeks that end with the
-- launch, or else on the day of the launch; and none before, when it cannot be out of stock. What
-- would come to a closed store comes on the next open day, or for a launch on the one before. The
-- last is the eve of the day on which what is left after its end of life is liquidated.
-- Locations without any demand, such as stores at a digital_share of 1, take no part.
with

locations as (

    select * from {{ ref('int_location_demand') }}
    where average_daily_units > 0

),

gold_locations as (

    select * from {{ ref('gold_location_dim') }}

),

schedules as (

    select * from {{ ref('supply_schedule') }}

),

supply_calendar as (

    select * from {{ ref('int_supply_calendar') }}
    where calendar_date = {{ first_simulated_day() }}

),

products as (

    select
        *,
        date_sub(launch_date, 13) as earliest_date,
        coalesce(end_of_life_date, date '9999-01-01') as last_sale_date
    from {{ ref('gold_product_dim') }}

),

closed_days as (

    select collect_list(holiday_date) as closed_dates
    from {{ ref('int_holiday_calendar') }}
    where day_kind = 'closed' and precedence = 1

),

-- The first receipt day of the two weeks, if the location is open.
due as (

    select
        products.product_key,
        products.launch_date,
        products.last_sale_date,
        locations.location_key,
        schedules.liquidation_lag_days,
        if(
            gold_locations.location_type = 'store', closed_days.closed_dates, array()
        ) as closed_dates,
        date_add(
            products.earliest_date,
            cast(
                pmod(
                    datediff(
                        date_sub(
                            supply_calendar.calendar_date,
                            supply_calendar.days_since_review - supply_calendar.lead_time_days
                        ),
                        products.earliest_date
                    ),
                    supply_calendar.review_period_days
                ) as int
            )
        ) as receipt_date
    from locations
    inner join gold_locations on locations.location_key = gold_locations.location_key
    inner join schedules on gold_locations.location_type = schedules.location_type
    inner join supply_calendar on locations.location_key = supply_calendar.location_key
    cross join products
    cross join closed_days

),

ranged as (

    select
        product_key,
        location_key,
        greatest(
            {{ first_simulated_day() }},
            least(
                -- No store is closed for more than a day.
                if(
                    array_contains(closed_dates, receipt_date),
                    date_add(receipt_date, 1),
                    receipt_date
                ),
                if(
                    array_contains(closed_dates, launch_date), date_sub(launch_date, 1), launch_date
                )
            )
        ) as first_date,
        least(
            {{ last_simulated_day() }}, date_add(last_sale_date, liquidation_lag_days - 1)
        ) as last_date
    from due

),

expected as (

    select
        product_key,
        location_key,
        greatest(first_date, {{ first_new_day() }}) as first_date,
        last_date,
        datediff(last_date, greatest(first_date, {{ first_new_day() }})) + 1 as day_count
    from ranged
    where greatest(first_date, {{ first_new_day() }}) <= last_date

),

listed as (

    select
        product_key,
        location_key,
        min(date_key) as first_date_key,
        max(date_key) as last_date_key,
        count(*) as day_count
    from {{ ref('gold_inventory_fact') }}
    where {{ is_new('date_key') }}
    group by product_key, location_key

)

-- Keys are unique and days lie in the window, so the number of days tells that none is missing.
select
    coalesce(expected.product_key, listed.product_key) as product_key,
    coalesce(expected.location_key, listed.location_key) as location_key,
    expected.first_date,
    expected.last_date,
    expected.day_count as expected_day_count,
    listed.first_date_key,
    listed.last_date_key,
    listed.day_count
from expected
full outer join listed
    on
        expected.product_key = listed.product_key
        and expected.location_key = listed.location_key
where
    expected.product_key is null
    or listed.product_key is null
    or expected.day_count != listed.day_count
    or {{ date_key('expected.first_date') }} != listed.first_date_key
    or {{ date_key('expected.last_date') }} != listed.last_date_key
