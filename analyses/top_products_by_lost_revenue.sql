-- Which ten products lose the most revenue because they are not on the shelf?
with

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

lost_by_product as (

    select
        product_key,
        count(*) as lost_lines,
        sum(quantity_lost) as units_lost,
        sum({{ cents('lost_revenue') }}) as lost_cents
    from lost_sales
    group by product_key

),

ranked as (

    select
        *,
        row_number() over (order by lost_cents desc, product_key asc) as lost_revenue_rank
    from lost_by_product

)

select
    ranked.lost_revenue_rank,
    products.product_id,
    products.product_name,
    products.brand,
    products.category_level_1,
    ranked.lost_lines,
    ranked.units_lost,
    ranked.lost_cents / 100.0D as lost_revenue
from ranked
inner join products on ranked.product_key = products.product_key
where ranked.lost_revenue_rank <= 10
order by ranked.lost_revenue_rank asc
