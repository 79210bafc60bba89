-- How many calendar days pass from a return until its units are on the shelf again?
with

returns as (

    select * from {{ ref('gold_sales_fact') }}
    where is_return

),

delays as (

    select
        datediff(
            {{ date_of_key('return_restocked_date_key') }}, {{ date_of_key('date_key') }}
        ) as delay_days,
        quantity_sold
    from returns

),

counted as (

    select
        delay_days,
        count(*) as return_lines,
        sum(quantity_sold) as units_returned
    from delays
    group by delay_days

)

select
    delay_days,
    return_lines,
    units_returned,
    return_lines / cast(sum(return_lines) over () as double) as share_of_returns
from counted
order by delay_days asc
