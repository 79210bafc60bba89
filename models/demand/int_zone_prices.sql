with

products as (

    select * from {{ ref('gold_product_dim') }}

),

price_zones as (

    select * from {{ ref('price_zones') }}

),

final as (

    select
        products.product_key,
        price_zones.price_zone,
        price_zones.channel_group,
        -- Other prices than the ordinary ones are the nearest that end in 99 cents.
        if(
            price_zones.list_price_percent = 100,
            {{ cents('products.base_price') }},
            ({{ cents('products.base_price') }} * price_zones.list_price_percent + 5000)
            div 10000 * 100
            - 1
        ) as list_price_cents,
        price_zones.promotion_depth_percent,
        price_zones.least_markdown_percent
    from products
    cross join price_zones

)

select * from final
