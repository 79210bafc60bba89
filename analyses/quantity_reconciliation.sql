-- Is every unit that a surviving cart asked for either sold or lost, on each day?
with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where not is_abandoned

),

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

quantities as (

    select
        date_key,
        units_requested,
        0 as units_sold,
        0 as units_lost
    from carts

    union all

    select
        date_key,
        0 as units_requested,
        quantity_sold as units_sold,
        0 as units_lost
    from sales

    union all

    select
        date_key,
        0 as units_requested,
        0 as units_sold,
        quantity_lost as units_lost
    from lost_sales

)

select
    date_key,
    sum(units_requested) as units_requested,
    sum(units_sold) as units_sold,
    sum(units_lost) as units_lost,
    sum(units_requested) - sum(units_sold) - sum(units_lost) as units_unexplained
from quantities
group by date_key
order by date_key asc
