{#
    Appends: the source only gets new rows, so those of the days closed since the last run are all
    there is to read. The last day in this table is how far it has read.
#}
{{ config(materialized="incremental", incremental_strategy="append") }}

with

sales as (

    select * from {{ source("stocktrue", "gold_sales_fact") }}
    -- An append that is under way has written some of its days, which are not closed yet.
    where
        date_key <= {{ last_closing().date_key }}
        {% if is_incremental() %}
        and date_key > (select coalesce(max(date_key), 0) from {{ this }})
        {% endif %}

),

products as (

    select * from {{ source("stocktrue", "gold_product_dim") }}

),

final as (

    select
        sales.date_key,
        products.category,
        sum(if(sales.is_return, -sales.quantity_sold, sales.quantity_sold)) as units,
        -- Whole cents, so that the sum is the same in any order.
        sum(cast(sales.net_sales_amount as decimal(18, 2))) as net_revenue
    from sales
    inner join products on sales.product_key = products.product_key
    group by sales.date_key, products.category

)

select * from final
