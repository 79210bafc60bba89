with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

movements as (

    select * from {{ ref('gold_inventory_movement_fact') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

stock_days as (

    select * from {{ ref('int_stockout_days') }}

),

demand_truth as (

    select * from {{ ref('gold_demand_truth') }}

),

window_months as (

    select * from {{ ref('int_window_months') }}

),

stock as (

    select
        sum(stock_days.position_days) as position_days,
        sum(stock_days.stockout_days) as stockout_days,
        sum(stock_days.size_run_days) as size_run_days,
        sum(stock_days.broken_size_run_days) as broken_size_run_days,
        {%- for type in ['store', 'warehouse', 'dc'] %}
            sum(if(locations.location_type = '{{ type }}', stock_days.position_days, 0))
                as {{ type }}_position_days,
            sum(if(locations.location_type = '{{ type }}', stock_days.stockout_days, 0))
                as {{ type }}_stockout_days,
        {%- endfor %}
        sum(stock_days.stock_cents) as stock_cents
    from locations
    inner join stock_days on locations.location_key = stock_days.location_key

),

-- Those that began before the first day or still last show only a part of their length.
whole_stockouts as (

    select
        stockout_duration_days,
        row_number() over (order by stockout_duration_days, stockout_id) as duration_rank,
        count(*) over () as event_count
    from stockout_events
    where
        stockout_end_date is not null
        and stockout_start_date > {{ first_simulated_day() }}

),

stockout_durations as (

    select
        {%- for percent in [50, 90, 99] %}
            max(
                if(
                    duration_rank = (event_count * {{ percent }} + {{ percent }}) div 100,
                    stockout_duration_days,
                    null
                )
            ) as days_{{ percent }},
        {%- endfor %}
        max(event_count) as event_count
    from whole_stockouts

),

demand as (

    select
        sum(quantity_wanted) as units_wanted,
        sum(quantity_wanted - quantity_sold_first) as units_missing,
        sum(quantity_finally_lost) as units_lost
    from demand_truth

),

shrinkage as (

    select
        sum(
            movements.quantity
            * {{ cents('products.base_price') }}
            * locations.list_price_percent
        )
        div 100 as price_cents
    from movements
    inner join products on movements.product_key = products.product_key
    inner join locations on movements.location_key = locations.location_key
    where movements.movement_reason = 'shrinkage'

),

sales as (

    select
        sum({{ cents('net_revenue') }}) as net_cents,
        sum({{ cents('net_revenue') }} - {{ cents('gross_margin') }}) as cost_cents
    from daily_sales

),

window_year as (

    select
        sum(year_billionths) / 1000000000.0D as years,
        sum(day_count) as day_count
    from window_months

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'stockout_rate', 'stockout_days', 'position_days', 'product-location-days'
            ) }},
            {{ measured_ratio(
                'stockout_rate_stores',
                'store_stockout_days',
                'store_position_days',
                'product-location-days of stores'
            ) }},
            {{ measured_ratio(
                'stockout_rate_warehouses',
                'warehouse_stockout_days',
                'warehouse_position_days',
                'product-location-days of warehouses'
            ) }},
            {{ measured_ratio(
                'stockout_rate_distribution_centres',
                'dc_stockout_days',
                'dc_position_days',
                'product-location-days of distribution centres'
            ) }},
            {{ measured_ratio(
                'broken_size_runs',
                'broken_size_run_days',
                'size_run_days',
                'colourway-location-days with some sizes there and others not'
            ) }}
        ))
    from stock

    union all

    select
        inline(array( -- noqa: AL03
            {% for metric_id, days in [
                ('stockout_days_median', 'days_50'),
                ('stockout_days_90', 'days_90'),
                ('stockout_days_99', 'days_99'),
            ] -%}
                named_struct(
                    'metric_id', '{{ metric_id }}',
                    'measured_value', cast({{ days }} as double),
                    'detail', concat(
                        coalesce(cast(event_count as string), 'no'),
                        ' stockouts that began after the first day and have ended'
                    )
                ){{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from stockout_durations

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'missing_share', 'units_missing', 'units_wanted', 'units not there of those wanted'
            ) }},
            {{ measured_ratio(
                'lost_sales_share', 'units_lost', 'units_wanted', 'units lost of those wanted'
            ) }}
        ))
    from demand

    union all

    select
        'inventory_turns' as metric_id,
        sales.cost_cents
        / nullif(window_year.years, 0)
        / nullif(stock.stock_cents / cast(nullif(window_year.day_count, 0) as double), 0)
            as measured_value,
        concat(
            'goods sold cost ',
            coalesce(cast(sales.cost_cents div 100 as string), '0'),
            ' dollars in ',
            coalesce({{ four_decimals('window_year.years') }}, '-'),
            ' of a year by sales; average stock ',
            coalesce(
                cast(
                    stock.stock_cents div 100 div nullif(window_year.day_count, 0) as string
                ),
                '0'
            ),
            ' dollars at cost'
        ) as detail
    from sales
    cross join stock
    cross join window_year

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'shrinkage_share',
                'shrinkage.price_cents',
                'sales.net_cents',
                'cents of vanished units at list price by net sales'
            ) }}
        ))
    from shrinkage
    cross join sales

)

select * from final
