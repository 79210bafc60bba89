with

location_dim as (

    select * from {{ ref('gold_location_dim') }}

),

location_demand as (

    -- Who sells nothing, as stores do at a digital_share of 1, has nothing to plan and no stock.
    select * from {{ ref('int_location_demand') }}
    where average_daily_units > 0

),

locations as (

    select
        location_demand.*,
        location_dim.region
    from location_demand
    inner join location_dim on location_demand.location_key = location_dim.location_key

),

demand_levels as (

    select * from {{ ref('int_demand_levels') }}
    where {{ is_newly_planned('month_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

size_curves as (

    select * from {{ ref('int_size_curves') }}

),

traffic as (

    select * from {{ ref('int_traffic_plan') }}
    where {{ is_newly_planned('month_key') }}

),

promotion_days as (

    select * from {{ ref('int_promotion_days') }}

),

zones as (

    select * from {{ ref('price_zones') }}

),

season_profiles as (

    select * from {{ ref('season_profiles') }}

),

life_cycle as (

    select * from {{ ref('life_cycle_demand') }}

),

tastes as (

    select * from {{ ref('int_place_tastes') }}

),

climate as (

    select * from {{ ref('int_climate_demand') }}

),

shape as (

    select max(if(parameter = 'popularity_offset', parameter_value, null)) as popularity_offset
    from {{ ref('demand_shape') }}

),

-- Sums are sums of integers: a sum of doubles depends on the order that the engine takes.
months as (

    select
        channel_group,
        month_key,
        min(calendar_date) as month_start,
        max(calendar_date) as month_end,
        count(*) as days_in_month,
        sum({{ millionths('demand_index') }}) as index_millionths
    from traffic
    group by channel_group, month_key

),

promotion_months as (

    select
        promotion_days.product_key,
        promotion_days.price_zone,
        traffic.month_key,
        sum(
            {{ millionths('traffic.demand_index') }}
            * cast(round((promotion_days.demand_uplift - 1) * 10000) as bigint)
        ) as extra_index_ten_billionths,
        sum(
            if(
                promotion_days.is_markdown,
                {{ millionths('traffic.demand_index') }}
                * cast(round((promotion_days.demand_uplift - 1) * 10000) as bigint),
                0
            )
        ) as markdown_index_ten_billionths
    from promotion_days
    inner join traffic
        on
            promotion_days.channel_group = traffic.channel_group
            and promotion_days.date_key = traffic.date_key
    group by promotion_days.product_key, promotion_days.price_zone, traffic.month_key

),

product_months as (

    select
        products.product_key,
        products.colorway_key,
        products.category_level_3,
        zones.price_zone,
        months.month_key,
        months.month_start,
        months.days_in_month,
        months.index_millionths,
        coalesce(products.end_of_life_date < months.month_start, false) as is_discontinued,
        greatest(
            0,
            datediff(
                least(months.month_end, coalesce(products.end_of_life_date, months.month_end)),
                greatest(months.month_start, products.launch_date)
            )
            + 1
        ) as days_on_sale,
        -- Products of a run of sizes have the demand of as many average ones together.
        size_curves.size_share * size_curves.size_count as size_factor,
        size_curves.planned_size_share * size_curves.size_count as planned_size_factor,
        -- What planners know of a style when it is new.
        products.demand_index * season_profiles.factor * life_cycle.demand_factor
            as usual_popularity,
        -- A long tail: one over a uniform draw, the offset keeps the most popular finite.
        1 / (products.popularity_draw + shape.popularity_offset) as own_popularity,
        least(91, greatest(0, datediff(months.month_start, products.launch_date))) as past_days,
        life_cycle.flagship_factor,
        life_cycle.outlet_factor,
        1 + coalesce(promotion_months.extra_index_ten_billionths, 0)
        / cast(10000 as double) / months.index_millionths as uplift,
        -- A markdown moves demand to its products, a promotion adds to it.
        10000 + coalesce(promotion_months.markdown_index_ten_billionths, 0)
        div months.index_millionths as markdown_ten_thousandths
    from products
    cross join shape
    cross join months
    inner join zones on months.channel_group = zones.channel_group
    inner join size_curves on products.product_key = size_curves.product_key
    inner join season_profiles
        on
            products.season_profile = season_profiles.season_profile
            and months.month_key % 100 = season_profiles.month
    inner join life_cycle
        on
            datediff(months.month_start, products.launch_date)
            between life_cycle.days_since_launch_from and life_cycle.days_since_launch_to
    left join promotion_months
        on
            products.product_key = promotion_months.product_key
            and zones.price_zone = promotion_months.price_zone
            and months.month_key = promotion_months.month_key

),

placed as (

    select
        product_months.*,
        locations.location_key,
        locations.average_daily_units,
        tastes.region_factor * tastes.local_factor as taste,
        demand_levels.month_level,
        demand_levels.past_level / demand_levels.month_level as past_to_month,
        product_months.usual_popularity
        * tastes.format_factor
        * case locations.store_format
            when 'flagship' then product_months.flagship_factor
            when 'outlet' then product_months.outlet_factor
            else 1.0D
        end
        * coalesce(climate.climate_factor, 1.0D) as usual_popularity_here
    from locations
    inner join tastes on locations.location_key = tastes.location_key
    inner join product_months
        on
            tastes.colorway_key = product_months.colorway_key
            and locations.price_zone = product_months.price_zone
    inner join demand_levels
        on
            locations.region = demand_levels.region
            and product_months.colorway_key = demand_levels.colorway_key
            and product_months.month_key = demand_levels.month_key
    left join climate
        on
            locations.location_key = climate.location_key
            and product_months.category_level_3 = climate.category_level_3
            and product_months.month_key % 100 = climate.month

),

weighted as (

    select
        *,
        cast(usual_popularity_here * planned_size_factor * 1000000 as bigint) as usual_weight,
        cast(
            usual_popularity_here * size_factor * own_popularity * taste * month_level * 1000000
            as bigint
        ) as demand_weight
    from placed

),

planned as (

    select
        *,
        demand_weight * days_on_sale * markdown_ten_thousandths
        div (days_in_month * 10000) as planned_weight,
        usual_weight * days_on_sale * markdown_ten_thousandths
        div (days_in_month * 10000) as usual_planned_weight,
        markdown_ten_thousandths / 10000.0D as markdown_uplift,
        uplift * 10000 / markdown_ten_thousandths as planned_uplift
    from weighted

),

location_months as (

    select
        *,
        average_daily_units * index_millionths / 1000000 / days_in_month as location_daily_units,
        sum(planned_weight) over (partition by location_key, month_key) as location_weight,
        sum(usual_planned_weight) over (partition by location_key, month_key)
            as location_usual_weight
    from planned

),

shares as (

    select
        *,
        location_daily_units * planned_uplift / location_weight as daily_units,
        location_daily_units * planned_uplift / location_usual_weight as usual_daily_units
    from location_months

),

final as (

    select
        product_key,
        location_key,
        month_key,
        month_start,
        demand_weight,
        planned_weight,
        daily_units * planned_weight as mean_daily_demand,
        -- Launch stock is in place before the first day on sale; nothing is bought after the last.
        if(is_discontinued, cast(0 as double), usual_daily_units * usual_weight * markdown_uplift)
            as usual_daily_demand,
        days_on_sale / cast(days_in_month as double) as share_on_sale,
        daily_units * demand_weight * markdown_uplift * past_to_month as past_daily_demand,
        cast(past_days as int) as past_days
    from shares

)

select * from final
