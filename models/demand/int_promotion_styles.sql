{%- set neighbours = 8 -%}

with

products as (

    select * from {{ ref('gold_product_dim') }}

),

promotions as (

    -- Markdowns are no promotions that products take part in by chance.
    select * from {{ ref('gold_promotion_dim') }}
    where product_share > 0

),

styles as (

    select
        style_id,
        category_level_1,
        cast(substring(style_id, 7) as bigint) as style_number,
        min(popularity_draw) as popularity_draw
    from products
    group by style_id, category_level_1

),

-- By popularity, so that few best-sellers do not make one promotion deep and the next one shallow.
ranked as (

    select
        promotions.promotion_key,
        promotions.product_share,
        styles.style_id,
        styles.style_number,
        row_number() over (
            partition by promotions.promotion_key
            order by styles.popularity_draw asc, styles.style_number asc
        ) - 1 as popularity_rank
    from promotions
    inner join styles
        on
            promotions.category_level_1 is null
            or promotions.category_level_1 = styles.category_level_1

),

drawn as (

    select
        promotion_key,
        product_share,
        style_id,
        popularity_rank div {{ neighbours }} as stratum,
        row_number() over (
            partition by promotion_key, popularity_rank div {{ neighbours }}
            order by
                {{ uniform('promotion_participation', ['promotion_key', 'style_number']) }} asc,
                style_number asc
        ) as position_in_stratum,
        {{ uniform('promotion_share', ['promotion_key']) }} as share_draw
    from ranked

),

-- Of so many neighbours as many as the share says, over all of them to the style.
final as (

    select
        promotion_key,
        style_id
    from drawn
    where
        position_in_stratum
        <= floor((stratum + 1) * {{ neighbours }} * product_share + share_draw)
        - floor(stratum * {{ neighbours }} * product_share + share_draw)

)

select * from final
