-- How far are the sales of a week from what shoppers chose first? By product and location, over the
-- whole weeks: what is missing, and what came in place of something else or later.
with

truth as (

    select
        product_key,
        location_key,
        {{ week_start(date_of_key('date_key')) }} as week_date,
        quantity_wanted,
        quantity_sold_first,
        quantity_substituted_in,
        quantity_sold_to_waiting
    from {{ ref('gold_demand_truth') }}

),

days as (

    select distinct date_key from {{ ref('gold_inventory_fact') }}

),

-- Weeks begin on Mondays.
weeks as (

    select {{ week_start(date_of_key('date_key')) }} as week_date
    from days
    group by {{ week_start(date_of_key('date_key')) }}
    having count(*) = 7

),

position_weeks as (

    select
        truth.product_key,
        truth.location_key,
        truth.week_date,
        sum(truth.quantity_wanted) as units_wanted,
        sum(truth.quantity_sold_first) as units_sold_first,
        sum(truth.quantity_substituted_in + truth.quantity_sold_to_waiting)
            as units_sold_instead_or_later
    from weeks
    inner join truth on weeks.week_date = truth.week_date
    group by truth.product_key, truth.location_key, truth.week_date

)

select
    week_date,
    sum(units_wanted) as units_wanted,
    sum(units_sold_first) as units_sold_first,
    sum(units_sold_instead_or_later) as units_sold_instead_or_later,
    sum(abs(units_sold_first + units_sold_instead_or_later - units_wanted)) as absolute_error,
    sum(units_sold_first + units_sold_instead_or_later) / cast(sum(units_wanted) as double)
    - 1 as bias,
    sum(abs(units_sold_first + units_sold_instead_or_later - units_wanted))
    / cast(sum(units_wanted) as double) as wape
from position_weeks
group by week_date
order by week_date asc
