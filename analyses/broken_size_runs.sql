-- How often is a run of sizes broken, some sizes there and others not, and what does it cost?
with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

runs as (

    select
        products.category_level_2,
        products.colorway_key,
        inventory.location_key,
        inventory.date_key,
        count(*) as sizes,
        count(if(inventory.is_stockout, 1, null)) as sizes_out
    from products
    inner join inventory on products.product_key = inventory.product_key
    where products.size_range != 'ONE SIZE'
    group by
        products.category_level_2,
        products.colorway_key,
        inventory.location_key,
        inventory.date_key

),

lost_by_run as (

    select
        products.colorway_key,
        lost_sales.location_key,
        lost_sales.date_key,
        sum(lost_sales.quantity_lost) as units_lost,
        sum({{ cents('lost_sales.lost_revenue') }}) as lost_cents
    from products
    inner join lost_sales on products.product_key = lost_sales.product_key
    group by products.colorway_key, lost_sales.location_key, lost_sales.date_key

),

priced as (

    select
        runs.category_level_2,
        runs.sizes,
        runs.sizes_out,
        runs.sizes_out between 1 and runs.sizes - 1 as is_broken,
        coalesce(lost_by_run.units_lost, 0) as units_lost,
        coalesce(lost_by_run.lost_cents, 0) as lost_cents
    from runs
    left join lost_by_run
        on
            runs.colorway_key = lost_by_run.colorway_key
            and runs.location_key = lost_by_run.location_key
            and runs.date_key = lost_by_run.date_key

)

select
    category_level_2,
    count(*) as run_days,
    count(if(is_broken, 1, null)) as broken_run_days,
    count(if(is_broken, 1, null)) / cast(count(*) as double) as broken_share,
    sum(sizes_out) / cast(sum(sizes) as double) as stockout_rate,
    sum(if(is_broken, units_lost, 0)) as units_lost_in_broken_runs,
    sum(if(is_broken, lost_cents, 0)) / 100.0D as revenue_lost_in_broken_runs,
    sum(lost_cents) / 100.0D as revenue_lost
from priced
group by category_level_2
order by revenue_lost_in_broken_runs desc, category_level_2 asc
