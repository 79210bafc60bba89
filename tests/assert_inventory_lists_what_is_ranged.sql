-- A snapshot lists what is ranged: at each location a product has a row on every day from its
-- launch delivery on, which comes on the first receipt day of the two weeks that end with the
-- launch, or else on the day of the launch; and none before, when it cannot be out of stock. The
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

ranged as (

    select
        products.product_key,
        locations.location_key,
        greatest(
            {{ first_simulated_day() }},
            least(
                date_add(
                    products.earliest_date,
                    cast(
                        pmod(
                            datediff(supply_calendar.next_receipt_date, products.earliest_date),
                            supply_calendar.review_period_days
                        ) as int
                    )
                ),
                products.launch_date
            )
        ) as first_date,
        least(
            {{ last_simulated_day() }},
            date_add(products.last_sale_date, schedules.liquidation_lag_days - 1)
        ) as last_date
    from locations
    inner join gold_locations on locations.location_key = gold_locations.location_key
    inner join schedules on gold_locations.location_type = schedules.location_type
    inner join supply_calendar on locations.location_key = supply_calendar.location_key
    cross join products

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
