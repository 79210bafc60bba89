with

products as (

    select * from {{ ref('gold_product_dim') }}

),

promotions as (

    -- Markdowns are no promotions that products take part in by chance.
    select * from {{ ref('gold_promotion_dim') }}
    where product_share > 0

),

promotion_styles as (

    select * from {{ ref('int_promotion_styles') }}

),

markdown_days as (

    select * from {{ ref('int_markdown_days') }}

),

zone_prices as (

    select * from {{ ref('int_zone_prices') }}

),

traffic as (

    select * from {{ ref('int_traffic_plan') }}
    where {{ is_newly_planned('month_key') }}

),

elasticities as (

    select * from {{ ref('int_price_elasticity') }}

),

dip_shape as (

    select * from {{ ref('post_promotion_dip') }}

),

period as (

    select
        min(calendar_date) as first_date,
        max(calendar_date) as last_date
    from traffic

),

longest as (

    select
        max(dip_shape.days_after) as dip_days,
        max(datediff(promotions.end_date, promotions.start_date)) as promotion_days
    from promotions
    cross join dip_shape

),

-- Promotions that are followed by a dip in the planned months, and all that overlap them: what is
-- found for a day must not depend on where the window begins.
spans as (

    select
        promotions.promotion_key,
        promotions.discount_type,
        cast(round(promotions.discount_value * 100) as bigint) as discount_hundredths,
        promotions.channel_type,
        promotions.start_date,
        promotions.end_date
    from promotions
    cross join longest
    inner join period
        on
            promotions.start_date <= period.last_date
            and promotions.end_date
            >= date_sub(period.first_date, longest.dip_days + longest.promotion_days)

),

span_dates as (

    select
        promotion_key,
        explode(sequence(start_date, end_date, interval 1 day)) as calendar_date
    from spans

),

participations as (

    select
        spans.promotion_key,
        zone_prices.price_zone,
        spans.discount_type,
        spans.discount_hundredths * zone_prices.promotion_depth_percent div 100
            as discount_hundredths,
        products.product_key,
        zone_prices.list_price_cents as price_cents
    from spans
    inner join promotion_styles on spans.promotion_key = promotion_styles.promotion_key
    inner join products on promotion_styles.style_id = products.style_id
    inner join zone_prices
        on
            products.product_key = zone_prices.product_key
            and (
                spans.channel_type is null
                or (spans.channel_type = 'online') = (zone_prices.channel_group = 'digital')
            )

),

discounts as (

    select
        *,
        if(
            discount_type = 'percentage',
            (price_cents * discount_hundredths + 5000) div 10000,
            -- An amount off never takes more than half of the price.
            least(discount_hundredths, price_cents div 2)
        ) as discount_cents
    from participations

),

uplifts as (

    select
        discounts.product_key,
        discounts.price_zone,
        discounts.promotion_key,
        discounts.discount_cents,
        {{ demand_uplift(
            'discounts.discount_cents', 'discounts.price_cents', 'elasticities.elasticity'
        ) }} as demand_uplift
    from discounts
    inner join elasticities on discounts.product_key = elasticities.product_key

),

-- The highest discount of a day is its first row. A window for each day would be slow:
-- docs/engine_notes.md#sorts-and-windows
ranked as (

    select
        uplifts.*,
        span_dates.calendar_date,
        lag(span_dates.calendar_date) over (
            partition by uplifts.product_key, uplifts.price_zone
            order by
                span_dates.calendar_date asc,
                uplifts.discount_cents desc,
                uplifts.promotion_key asc
        ) as previous_date
    from uplifts
    inner join span_dates on uplifts.promotion_key = span_dates.promotion_key

),

-- A markdown takes the place of promotions and dips.
promoted as (

    select
        ranked.product_key,
        ranked.price_zone,
        ranked.calendar_date,
        ranked.promotion_key,
        ranked.discount_cents,
        ranked.demand_uplift,
        false as is_markdown
    from ranked
    left anti join markdown_days
        on
            ranked.product_key = markdown_days.product_key
            and ranked.price_zone = markdown_days.price_zone
            and ranked.calendar_date = markdown_days.calendar_date
    where coalesce(ranked.calendar_date != ranked.previous_date, true)

),

discounted as (

    select * from promoted
    union all
    select
        markdown_days.product_key,
        markdown_days.price_zone,
        markdown_days.calendar_date,
        markdown_days.promotion_key,
        markdown_days.discount_cents,
        {{ demand_uplift(
            'markdown_days.discount_cents',
            'markdown_days.list_price_cents',
            'elasticities.elasticity'
        ) }} as demand_uplift,
        true as is_markdown
    from markdown_days
    inner join elasticities on markdown_days.product_key = elasticities.product_key

),

bumps as (

    select
        promoted.product_key,
        promoted.price_zone,
        spans.start_date,
        spans.end_date,
        sum(cast(round((promoted.demand_uplift - 1) * 10000) as bigint)) as extra_ten_thousandths
    from promoted
    inner join spans on promoted.promotion_key = spans.promotion_key
    group by promoted.product_key, promoted.price_zone, spans.start_date, spans.end_date

),

missing as (

    select
        bumps.product_key,
        bumps.price_zone,
        date_add(bumps.end_date, dip_shape.days_after) as calendar_date,
        bumps.extra_ten_thousandths
        * cast(round(dip_shape.borrowed_share * 10000) as bigint) as missing_hundred_millionths,
        dip_shape.lowest_factor
    from bumps
    cross join dip_shape
    -- Who could not buy it yet has not stocked up.
    inner join products on bumps.product_key = products.product_key
    where bumps.start_date >= products.launch_date

),

dips as (

    select
        missing.product_key,
        missing.price_zone,
        missing.calendar_date,
        cast(0 as int) as promotion_key,
        cast(0 as bigint) as discount_cents,
        greatest(
            max(cast(round(missing.lowest_factor * 10000) as bigint)),
            10000 - sum(missing.missing_hundred_millionths) div 10000
        )
        / 10000.0D as demand_uplift,
        false as is_markdown
    from missing
    left anti join discounted
        on
            missing.product_key = discounted.product_key
            and missing.price_zone = discounted.price_zone
            and missing.calendar_date = discounted.calendar_date
    group by missing.product_key, missing.price_zone, missing.calendar_date

),

rows_of_days as (

    select * from discounted
    union all
    select * from dips

),

final as (

    select
        rows_of_days.product_key,
        traffic.channel_group,
        traffic.date_key,
        rows_of_days.promotion_key,
        rows_of_days.discount_cents,
        rows_of_days.demand_uplift,
        rows_of_days.is_markdown,
        rows_of_days.price_zone
    from rows_of_days
    inner join traffic
        on
            rows_of_days.calendar_date = traffic.calendar_date
            and (rows_of_days.price_zone = 'digital') = (traffic.channel_group = 'digital')

)

select * from final
