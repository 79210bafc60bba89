-- By how much do sales understate demand, because what is not on the shelf cannot be sold? In
-- FreshRetailNet-50K, measured by hour, by 7.4%. What is taken in place of something else, or
-- later, counts as sales here.
with

sales as (

    select
        product_key,
        quantity_sold as units_sold,
        0 as units_lost
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

lost_sales as (

    select
        product_key,
        0 as units_sold,
        quantity_lost as units_lost
    from {{ ref('gold_lost_sales_fact') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

units as (

    select * from sales

    union all

    select * from lost_sales

),

units_by_category as (

    select
        products.category_level_1,
        sum(units.units_sold) as units_sold,
        sum(units.units_lost) as units_lost
    from products
    inner join units on products.product_key = units.product_key
    group by products.category_level_1

)

select
    category_level_1,
    units_sold,
    units_lost,
    units_lost / cast(units_sold + units_lost as double) as understated_share
from units_by_category
order by understated_share desc, category_level_1 asc
