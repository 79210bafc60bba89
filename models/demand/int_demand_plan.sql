with

locations as (

    -- Who sells nothing, as stores do at a digital_share of 1, has nothing to plan and no stock.
    select * from {{ ref('int_location_demand') }}
    where average_daily_units > 0

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

traffic as (

    select * from {{ ref('int_traffic_plan') }}
    where {{ is_newly_planned('month_key') }}

),

promotion_days as (

    select * from {{ ref('int_promotion_days') }}

),

season_profiles as (

    select * from {{ ref('season_profiles') }}

),

life_cycle as (

    select * from {{ ref('life_cycle_demand') }}

),

shape as (

    select
        max(if(parameter = 'popularity_offset', parameter_value, null)) as popularity_offset,
        max(if(parameter = 'taste_offset', parameter_value, null)) as taste_offset
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
        promotion_days.channel_group,
        traffic.month_key,
        sum(
            {{ millionths('traffic.demand_index') }}
            * cast(round((promotion_days.demand_uplift - 1) * 10000) as bigint)
        ) as extra_index_ten_billionths
    from promotion_days
    inner join traffic
        on
            promotion_days.channel_group = traffic.channel_group
            and promotion_days.date_key = traffic.date_key
    group by promotion_days.product_key, promotion_days.channel_group, traffic.month_key

),

product_months as (

    select
        products.product_key,
        months.channel_group,
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
        -- A long tail: one over a uniform draw, the offset keeps the most popular finite.
        products.demand_index
        * season_profiles.factor
        * life_cycle.demand_factor
        / (products.popularity_draw + shape.popularity_offset) as popularity,
        shape.taste_offset,
        1
        + coalesce(promotion_months.extra_index_ten_billionths, 0)
        / cast(10000 as double)
        / months.index_millionths as planned_uplift
    from products
    cross join shape
    cross join months
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
            and months.channel_group = promotion_months.channel_group
            and months.month_key = promotion_months.month_key

),

weighted as (

    select
        product_months.*,
        locations.location_key,
        locations.average_daily_units,
        -- Local taste between 2/3 and 2 at the default offset.
        cast(
            product_months.popularity
            / (
                {{
                    uniform(
                        'local_taste', ['product_months.product_key', 'locations.location_key']
                    )
                }}
                + product_months.taste_offset
            )
            * 1000000 as bigint
        ) as demand_weight
    from product_months
    inner join locations on product_months.channel_group = locations.channel_group

),

planned as (

    select
        *,
        demand_weight * days_on_sale div days_in_month as planned_weight
    from weighted

),

shares as (

    select
        *,
        average_daily_units
        * index_millionths
        / 1000000
        / days_in_month
        * planned_uplift
        / sum(planned_weight) over (partition by location_key, month_key) as daily_units
    from planned

),

final as (

    select
        product_key,
        location_key,
        month_key,
        month_start,
        demand_weight,
        planned_weight,
        daily_units * planned_weight as planned_daily_demand,
        -- Launch stock is in place before the first day on sale; nothing is bought after the last.
        if(is_discontinued, cast(0 as double), daily_units * demand_weight)
            as stocking_daily_demand
    from shares

)

select * from final
