-- How far is each complete week's forecast from the demand and from the sales, and how much of the
-- difference lies where the shelf ran empty?
with

forecasts as (

    select * from {{ ref('gold_demand_forecast_fact') }}
    where actual_demand is not null

),

errors as (

    select
        date_key,
        is_constrained,
        actual_demand,
        actual_quantity,
        cast(round(forecast_quantity * 1000) as bigint) as forecast_thousandths,
        cast(round(abs(forecast_quantity - actual_demand) * 1000) as bigint)
            as demand_error_thousandths,
        cast(round(abs(forecast_quantity - actual_quantity) * 1000) as bigint)
            as sales_error_thousandths
    from forecasts

)

select
    {{ date_of_key('date_key') }} as week_start,
    is_constrained,
    count(*) as position_weeks,
    sum(actual_demand) as demand,
    sum(actual_quantity) as sales,
    sum(forecast_thousandths) / 1000.0D as forecast,
    sum(demand_error_thousandths) / 1000.0D as absolute_demand_error,
    sum(sales_error_thousandths) / 1000.0D as absolute_sales_error
from errors
group by date_key, is_constrained
order by date_key asc, is_constrained asc
