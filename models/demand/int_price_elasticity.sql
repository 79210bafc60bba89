with

products as (

    select * from {{ ref('gold_product_dim') }}

),

price_response as (

    select * from {{ ref('price_response') }}

),

price_tiers as (

    select * from {{ ref('price_tiers') }}

),

final as (

    select
        products.product_key,
        cast(round(price_response.elasticity * 100) as bigint)
        * cast(round(price_tiers.elasticity_index * 100) as bigint)
        / 10000.0D as elasticity
    from products
    inner join price_response on products.category_level_2 = price_response.category_level_2
    inner join price_tiers on products.price_tier = price_tiers.price_tier

)

select * from final
