with

series as (

    select * from {{ ref('int_demand_series') }}

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

totals as (

    select
        count(*) as series_count,
        {%- for demand_class in ['smooth', 'erratic', 'intermittent', 'lumpy'] %}
            count(if(demand_class = '{{ demand_class }}', 1, null)) as {{ demand_class }}_count,
        {%- endfor %}
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

final as (

    select
        inline(array( -- noqa: AL03
            {%- for demand_class in ['smooth', 'erratic', 'intermittent', 'lumpy'] %}
                {{ measured_ratio(
                    demand_class ~ '_share',
                    demand_class ~ '_count',
                    'series_count',
                    'product-locations'
                ) }},
            {%- endfor %}
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
    from totals

)

select * from final
