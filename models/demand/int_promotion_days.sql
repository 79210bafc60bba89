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

price_response as (

    select * from {{ ref('price_response') }}

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

final as (

    select
        ranked.product_key,
        ranked.channel_group,
        ranked.date_key,
        ranked.promotion_key,
        ranked.discount_cents,
        price_response.demand_uplift
    from ranked
    inner join price_response
        on ranked.discount_cents * 100 div ranked.price_cents = price_response.discount_percent
    where ranked.discount_rank = 1

)

select * from final
