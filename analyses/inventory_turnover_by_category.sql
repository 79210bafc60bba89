-- How often a year is the stock of each category sold: units sold, as of a full year, over the
-- average units on hand? Returned units come back to the shelf and are taken off the sales.
with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

stock as (

    select
        products.category_level_1,
        sum(inventory.quantity_on_hand) as unit_days_on_hand,
        count(distinct inventory.date_key) as days
    from products
    inner join inventory on products.product_key = inventory.product_key
    group by products.category_level_1

),

sold as (

    select
        products.category_level_1,
        sum(if(sales.is_return, -sales.quantity_sold, sales.quantity_sold)) as net_units_sold
    from products
    inner join sales on products.product_key = sales.product_key
    group by products.category_level_1

)

select
    stock.category_level_1,
    stock.days,
    stock.unit_days_on_hand / cast(stock.days as double) as average_units_on_hand,
    coalesce(sold.net_units_sold, 0) as net_units_sold,
    -- Units a year over average units: the days cancel out.
    coalesce(sold.net_units_sold, 0) * 365.0D / nullif(stock.unit_days_on_hand, 0)
        as turns_a_year
from stock
left join sold on stock.category_level_1 = sold.category_level_1
order by turns_a_year desc, stock.category_level_1 asc
