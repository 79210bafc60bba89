-- Which sizes come back as too small or too large, and how many sizes below or above the customer's
-- own were they?
with

products as (

    select * from {{ ref('gold_product_dim') }}
    where size_range != 'ONE SIZE'

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

fits as (

    select * from {{ ref('gold_size_fit_bridge') }}

),

counted as (

    select
        products.size_ladder,
        products.size,
        products.size_order,
        count(if(not sales.is_return, 1, null)) as lines_sold,
        count(if(sales.return_reason = 'too_small', 1, null)) as too_small_lines,
        count(if(sales.return_reason = 'too_large', 1, null)) as too_large_lines
    from products
    inner join sales on products.product_key = sales.product_key
    group by products.size_ladder, products.size, products.size_order

),

-- Of known customers it is known how far the size was from their own.
distances as (

    select
        products.size_ladder,
        products.size,
        avg(if(fits.return_reason = 'too_small', fits.size_difference, null))
            as too_small_difference,
        avg(if(fits.return_reason = 'too_large', fits.size_difference, null))
            as too_large_difference
    from products
    inner join fits on products.product_key = fits.product_key
    group by products.size_ladder, products.size

)

select
    counted.size_ladder,
    counted.size,
    counted.lines_sold,
    counted.too_small_lines / cast(nullif(counted.lines_sold, 0) as double) as too_small_share,
    counted.too_large_lines / cast(nullif(counted.lines_sold, 0) as double) as too_large_share,
    distances.too_small_difference,
    distances.too_large_difference
from counted
left join distances
    on counted.size_ladder = distances.size_ladder and counted.size = distances.size
order by counted.size_ladder asc, counted.size_order asc
