with

products as (

    select * from {{ ref('gold_product_dim') }}

),

zone_prices as (

    select * from {{ ref('int_zone_prices') }}

),

promotions as (

    select * from {{ ref('gold_promotion_dim') }}

),

end_of_life_markdowns as (

    select * from {{ ref('end_of_life_markdowns') }}

),

season_markdowns as (

    select * from {{ ref('season_markdowns') }}

),

slow_seller_markdowns as (

    select * from {{ ref('slow_seller_markdowns') }}

),

demand_levels as (

    select * from {{ ref('int_demand_levels') }}
    where {{ is_newly_planned('month_key') }}

),

dates as (

    select distinct
        month_key,
        calendar_date
    from {{ ref('int_traffic_plan') }}
    where {{ is_newly_planned('month_key') }}

),

at_end_of_life as (

    select
        products.product_key,
        dates.calendar_date,
        end_of_life_markdowns.promotion_id
    from products
    inner join dates on products.end_of_life_date >= dates.calendar_date
    inner join end_of_life_markdowns
        on
            datediff(products.end_of_life_date, dates.calendar_date) div 7
            = end_of_life_markdowns.weeks_before_end

),

at_end_of_season as (

    select
        products.product_key,
        dates.calendar_date,
        season_markdowns.promotion_id
    from season_markdowns
    inner join products on season_markdowns.season_profile = products.season_profile
    inner join dates
        on
            season_markdowns.month = month(dates.calendar_date)
            and datediff(dates.calendar_date, products.launch_date)
            >= season_markdowns.least_days_on_sale
            and coalesce(products.end_of_life_date >= dates.calendar_date, true)

),

colorways as (

    select distinct
        style_id,
        colorway_key
    from products

),

-- A style is marked down in all colours and sizes.
past_levels as (

    select
        colorways.style_id,
        demand_levels.month_key,
        sum({{ millionths('demand_levels.past_level') }}) / 1000000.0D / count(*) as past_level
    from demand_levels
    inner join colorways on demand_levels.colorway_key = colorways.colorway_key
    group by colorways.style_id, demand_levels.month_key

),

of_slow_sellers as (

    select
        products.product_key,
        dates.calendar_date,
        slow_seller_markdowns.promotion_id
    from slow_seller_markdowns
    inner join past_levels
        on slow_seller_markdowns.past_level_below > past_levels.past_level
    inner join products on past_levels.style_id = products.style_id
    inner join dates
        on
            past_levels.month_key = dates.month_key
            and datediff(dates.calendar_date, products.launch_date)
            >= slow_seller_markdowns.least_days_on_sale
            and coalesce(products.end_of_life_date >= dates.calendar_date, true)

),

markdowns as (

    select * from at_end_of_life
    union all
    select * from at_end_of_season
    union all
    select * from of_slow_sellers

),

-- A markdown is one promotion for all years in the seed, and one for each year in the dimension.
dated as (

    select
        markdowns.product_key,
        markdowns.calendar_date,
        promotions.promotion_key,
        promotions.discount_value
    from promotions
    inner join markdowns
        on
            promotions.promotion_id
            = concat(markdowns.promotion_id, '_', cast(year(markdowns.calendar_date) as string))

),

ranked as (

    select
        *,
        lag(calendar_date) over (
            partition by product_key
            order by calendar_date asc, discount_value desc, promotion_key asc
        ) as previous_date
    from dated

),

final as (

    select
        ranked.product_key,
        {{ date_key('ranked.calendar_date') }} as date_key,
        ranked.calendar_date,
        ranked.promotion_key,
        (
            zone_prices.list_price_cents * cast(round(ranked.discount_value * 100) as bigint)
            + 5000
        )
        div 10000 as discount_cents,
        zone_prices.price_zone,
        zone_prices.list_price_cents
    from ranked
    inner join zone_prices
        on
            ranked.product_key = zone_prices.product_key
            and ranked.discount_value >= zone_prices.least_markdown_percent
    where coalesce(ranked.calendar_date != ranked.previous_date, true)

)

select * from final
