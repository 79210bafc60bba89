with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where {{ is_new('date_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

colorways as (

    select
        inventory.date_key,
        products.category_level_1,
        inventory.location_key,
        products.colorway_key,
        count(*) as position_days,
        count(if(inventory.is_stockout, 1, null)) as stockout_days,
        sum({{ cents('inventory.inventory_value_cost') }}) as stock_cents
    from products
    inner join inventory on products.product_key = inventory.product_key
    group by
        inventory.date_key,
        products.category_level_1,
        inventory.location_key,
        products.colorway_key

),

final as (

    select
        date_key,
        category_level_1,
        location_key,
        cast(sum(position_days) as bigint) as position_days,
        cast(sum(stockout_days) as bigint) as stockout_days,
        sum(stock_cents) as stock_cents,
        count(if(position_days > 1, 1, null)) as size_run_days,
        count(if(stockout_days between 1 and position_days - 1, 1, null)) as broken_size_run_days
    from colorways
    group by date_key, category_level_1, location_key

)

select * from final
