-- The validations are the promise to users: each of them is there, and none fails.
with

results as (

    select * from {{ ref('gold_validation_results') }}

),

promised as (

    select
        explode(array(
            'stockout_rate',
            'constrained_sale_lines',
            'wrong_constrained_flags',
            'lost_units_of_stockout_events',
            'low_inventory_effect',
            'negative_inventory',
            'restock_delay_of_returns',
            'forecast_error',
            'forecast_error_on_sales_and_demand',
            'forecast_interval_coverage',
            'units_requested_sold_and_lost',
            'daily_rollup',
            'weekly_rollup',
            'monthly_rollup'
        )) as check_id

)

select
    promised.check_id,
    'missing' as detail
from promised
left join results on promised.check_id = results.check_id
where results.check_id is null

union all

select
    check_id,
    detail
from results
where not is_passed
