with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where {{ is_new('date_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

-- One number in place of three columns: docs/engine_notes.md#keys-of-joins
colorways as (

    select
        (inventory.date_key * cast(10000 as bigint) + inventory.location_key) * 1000000
        + products.colorway_key as colorway_day,
        count(*) as position_days,
        count(if(inventory.is_stockout, 1, null)) as stockout_days,
        sum({{ cents('inventory.inventory_value_cost') }}) as stock_cents
    from products
    inner join inventory on products.product_key = inventory.product_key
    group by
        (inventory.date_key * cast(10000 as bigint) + inventory.location_key) * 1000000
        + products.colorway_key

),

categories as (

    select distinct
        colorway_key,
        category_level_1
    from products

),

final as (

    select
        cast(colorways.colorway_day div 10000000000 as int) as date_key,
        categories.category_level_1,
        cast(colorways.colorway_day div 1000000 % 10000 as int) as location_key,
        cast(sum(colorways.position_days) as bigint) as position_days,
        cast(sum(colorways.stockout_days) as bigint) as stockout_days,
        sum(colorways.stock_cents) as stock_cents,
        count(if(colorways.position_days > 1, 1, null)) as size_run_days,
        count(if(colorways.stockout_days between 1 and colorways.position_days - 1, 1, null))
            as broken_size_run_days
    from categories
    inner join colorways on categories.colorway_key = colorways.colorway_day % 1000000
    group by
        cast(colorways.colorway_day div 10000000000 as int),
        categories.category_level_1,
        cast(colorways.colorway_day div 1000000 % 10000 as int)

)

select * from final
