with

series as (

    select * from {{ ref('int_demand_series') }}

),

class_totals as (

    select
        count(*) as series_count,
        count(if(demand_class = 'smooth', 1, null)) as smooth_count,
        count(if(demand_class = 'erratic', 1, null)) as erratic_count,
        count(if(demand_class = 'intermittent', 1, null)) as intermittent_count,
        count(if(demand_class = 'lumpy', 1, null)) as lumpy_count,
        sum(units_requested) as units_requested,
        sum(units_requested - units_sold) as units_lost
    from series

),

ranked_series as (

    select
        *,
        row_number() over (
            order by days_on_sale / cast(demand_days as double), product_key, location_key
        ) as interval_rank,
        row_number() over (
            order by
                variance_units / cast(units_requested * units_requested as double),
                product_key,
                location_key
        ) as variation_rank,
        count(*) over () as series_count
    from series

),

medians as (

    select
        max(if(interval_rank = (series_count + 1) div 2, days_on_sale, null)) as days_on_sale,
        max(if(interval_rank = (series_count + 1) div 2, demand_days, null)) as demand_days,
        max(if(variation_rank = (series_count + 1) div 2, variance_units, null))
            as variance_units,
        max(
            if(
                variation_rank = (series_count + 1) div 2,
                units_requested * units_requested,
                null
            )
        ) as squared_sum
    from ranked_series

),

products as (

    select
        product_key,
        sum(units_sold) as units_sold
    from series
    group by product_key

),

ranked_products as (

    select
        units_sold,
        row_number() over (order by units_sold, product_key) as rank_from_below,
        count(*) over () as product_count
    from products
    where units_sold > 0

),

concentration as (

    select
        max(product_count) as product_count,
        sum(units_sold) as units_sold,
        sum(if((product_count - rank_from_below) * 5 < product_count, units_sold, 0))
            as units_of_top_fifth,
        -- Gini: sum((2 i - n - 1) x_i) / (n sum(x_i)), x in increasing order.
        sum((2 * rank_from_below - product_count - 1) * units_sold) as weighted_units
    from ranked_products

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'smooth_share', 'smooth_count', 'series_count', 'product-locations'
            ) }},
            {{ measured_ratio(
                'erratic_share', 'erratic_count', 'series_count', 'product-locations'
            ) }},
            {{ measured_ratio(
                'intermittent_share', 'intermittent_count', 'series_count', 'product-locations'
            ) }},
            {{ measured_ratio(
                'lumpy_share', 'lumpy_count', 'series_count', 'product-locations'
            ) }},
            {{ measured_ratio(
                'lost_sales_share', 'units_lost', 'units_requested', 'units lost of those wanted'
            ) }}
        ))
    from class_totals

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'median_demand_interval',
                'days_on_sale',
                'demand_days',
                'days on sale by days with demand'
            ) }},
            {{ measured_ratio(
                'median_squared_variation',
                'variance_units',
                'squared_sum',
                'variance by squared mean of the days with demand'
            ) }}
        ))
    from medians

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'top_fifth_of_products_share',
                'units_of_top_fifth',
                'units_sold',
                'units sold of the best-selling fifth of the products'
            ) }},
            {{ measured_ratio(
                'product_gini',
                'weighted_units',
                'product_count * units_sold',
                'rank-weighted units by products x units'
            ) }}
        ))
    from concentration

)

select * from final
