-- How far off are the simplest forecasts of a week's units by product and location? A mean of all
-- days before the week, the week before, and the four weeks before, over the last four whole weeks.
with

sales as (

    select
        product_key,
        location_key,
        {{ date_of_key('date_key') }} as sale_date,
        quantity_sold
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

period as (

    select
        min(sale_date) as first_date,
        -- Weeks begin on Mondays.
        date_sub(cast(date_trunc('week', date_add(max(sale_date), 1)) as date), 28) as test_date
    from sales

),

weeks as (

    select
        first_date,
        explode(sequence(test_date, date_add(test_date, 21), interval 7 days)) as week_date
    from period

),

sales_by_week as (

    select
        sales.product_key,
        sales.location_key,
        weeks.week_date,
        weeks.first_date,
        sum(if(sales.sale_date >= weeks.week_date, sales.quantity_sold, 0)) as units,
        sum(if(sales.sale_date < weeks.week_date, sales.quantity_sold, 0)) as units_before,
        sum(
            if(
                sales.sale_date between date_sub(weeks.week_date, 7)
                and date_sub(weeks.week_date, 1),
                sales.quantity_sold,
                0
            )
        ) as units_7_days_before,
        sum(
            if(
                sales.sale_date between date_sub(weeks.week_date, 28)
                and date_sub(weeks.week_date, 1),
                sales.quantity_sold,
                0
            )
        ) as units_28_days_before
    from weeks
    inner join sales on date_add(weeks.week_date, 6) >= sales.sale_date
    group by sales.product_key, sales.location_key, weeks.week_date, weeks.first_date

),

-- Products that are sold at some time of the week, and on how many days before it they were.
positions as (

    select
        sales_by_week.*,
        datediff(
            sales_by_week.week_date, greatest(products.launch_date, sales_by_week.first_date)
        ) as days_before
    from sales_by_week
    inner join products on sales_by_week.product_key = products.product_key
    where
        date_add(sales_by_week.week_date, 6) >= products.launch_date
        and sales_by_week.week_date
        <= coalesce(products.end_of_life_date, sales_by_week.week_date)

),

forecasts as (

    select
        'flat_mean' as forecast,
        units,
        units_before * 7.0D / greatest(days_before, 1) as forecast_units
    from positions

    union all

    select
        'last_week' as forecast,
        units,
        cast(units_7_days_before as double) as forecast_units
    from positions

    union all

    select
        'four_week_mean' as forecast,
        units,
        units_28_days_before * 7.0D / greatest(least(days_before, 28), 1) as forecast_units
    from positions

),

errors as (

    select
        forecast,
        count(*) as position_weeks,
        sum(units) as units_sold,
        sum({{ millionths('forecast_units') }}) / 1000000.0D as units_forecast,
        sum({{ millionths('abs(units - forecast_units)') }}) / 1000000.0D as absolute_error
    from forecasts
    group by forecast

)

select
    forecast,
    position_weeks,
    units_sold,
    units_forecast,
    absolute_error,
    absolute_error / nullif(units_sold, 0) as wape
from errors
order by forecast asc
