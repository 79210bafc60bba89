-- A table of its own: docs/engine_notes.md#small-tables
with

dates as (

    select * from {{ ref('gold_date_dim') }}
    where calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}

),

lives as (

    select * from {{ ref('int_customer_lives') }}

),

habits as (

    select max(parameter_value) as browsers_per_order
    from {{ ref('web_habits') }}
    where parameter = 'browsers_per_order'

),

months as (

    select distinct
        date_key div 100 as month_key,
        trunc(calendar_date, 'MONTH') as month_start
    from dates
    -- A month with the day it begins on.
    where {{ is_new('date_key div 100 * 100 + 1') }}

),

-- Customers come last, so that they pass through in batches: docs/engine_notes.md#order-of-joins
-- Who has joined before the month and still buys when it begins, as often as the rate says.
listed as (

    select
        months.month_key,
        lives.fulfillment_location_id as location_key,
        lives.customer_number,
        lives.ios,
        cast(floor(
            lives.annual_orders
            * (1 - lives.store_share)
            * habits.browsers_per_order
            + {{ uniform('month_visitor', ['months.month_key', 'lives.customer_number']) }}
        ) as int) as times_listed
    from habits
    cross join months
    cross join lives
    where
        lives.joined_date < months.month_start
        and lives.leave_date >= months.month_start

),

repeated as (

    select
        month_key,
        location_key,
        customer_number,
        ios,
        explode(sequence(1, times_listed)) as listing
    from listed
    where times_listed > 0

),

numbered as (

    select
        month_key,
        location_key,
        customer_number,
        ios,
        -- Who has an iPhone comes first: an app is visited on a phone of its system.
        row_number() over (
            partition by month_key, location_key
            order by if(ios, 0, 1), customer_number, listing
        ) - 1 as number_in_location
    from repeated

),

final as (

    select
        {{ visitor_key('month_key', 'location_key', 'number_in_location') }} as visitor_key,
        customer_number,
        ios
    from numbered

)

select * from final
