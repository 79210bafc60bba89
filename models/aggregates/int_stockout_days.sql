with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where {{ is_new('date_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

final as (

    select
        inventory.date_key,
        products.category_level_1,
        inventory.location_key,
        count(*) as position_days,
        count(if(inventory.is_stockout, 1, null)) as stockout_days,
        sum({{ cents('inventory.inventory_value_cost') }}) as stock_cents
    from products
    inner join inventory on products.product_key = inventory.product_key
    group by inventory.date_key, products.category_level_1, inventory.location_key

)

select * from final
