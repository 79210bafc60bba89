with

products as (

    select * from {{ ref('gold_product_dim') }}

),

promotions as (

    select * from {{ ref('gold_promotion_dim') }}
    where promotion_key > 0

),

traffic as (

    select * from {{ ref('int_traffic_plan') }}
    where {{ is_newly_planned('month_key') }}

),

elasticities as (

    select * from {{ ref('int_price_elasticity') }}

),

promotion_dates as (

    select
        promotions.promotion_key,
        promotions.category_level_1,
        promotions.discount_type,
        cast(round(promotions.discount_value * 100) as bigint) as discount_hundredths,
        promotions.product_share,
        traffic.channel_group,
        traffic.date_key
    from promotions
    inner join traffic
        on
            traffic.calendar_date between promotions.start_date and promotions.end_date
            and (
                promotions.channel_type is null
                or (promotions.channel_type = 'online' and traffic.channel_group = 'digital')
                or (promotions.channel_type = 'offline' and traffic.channel_group = 'store')
            )

),

participations as (

    select
        promotions.promotion_key,
        products.product_key,
        {{ cents('products.base_price') }} as price_cents
    from promotions
    inner join products
        on
            promotions.category_level_1 is null
            or promotions.category_level_1 = products.category_level_1
    where
        {{
            uniform(
                'promotion_participation', ['promotions.promotion_key', 'products.product_key']
            )
        }}
        < promotions.product_share

),

discounts as (

    select
        participations.product_key,
        promotion_dates.channel_group,
        promotion_dates.date_key,
        promotion_dates.promotion_key,
        participations.price_cents,
        if(
            promotion_dates.discount_type = 'percentage',
            (participations.price_cents * promotion_dates.discount_hundredths + 5000) div 10000,
            -- An amount off never takes more than half of the price.
            least(promotion_dates.discount_hundredths, participations.price_cents div 2)
        ) as discount_cents
    from participations
    inner join promotion_dates on participations.promotion_key = promotion_dates.promotion_key

),

ranked as (

    select
        *,
        row_number() over (
            partition by product_key, channel_group, date_key
            order by discount_cents desc, promotion_key asc
        ) as discount_rank
    from discounts

),

percentages as (

    select
        *,
        -- Nearest whole percent: what the customer reads on the label.
        (discount_cents * 100 + price_cents div 2) div price_cents as discount_percent
    from ranked
    where discount_rank = 1

),

final as (

    select
        percentages.product_key,
        percentages.channel_group,
        percentages.date_key,
        percentages.promotion_key,
        percentages.discount_cents,
        -- Four decimals, in which engines agree.
        cast(
            floor(
                pow((100 - percentages.discount_percent) / 100.0D, elasticities.elasticity) * 10000
                + 0.5D
            ) as bigint
        )
        / 10000.0D as demand_uplift
    from percentages
    inner join elasticities on percentages.product_key = elasticities.product_key

)

select * from final
