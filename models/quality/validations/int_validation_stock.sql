with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

rules as (

    select
        max(if(parameter = 'full_size_position_days', parameter_value, null))
            as full_size_position_days,
        max(if(parameter = 'stockout_rate_margin', parameter_value, null))
            as stockout_rate_margin,
        max(if(parameter = 'lowest_stockout_target', parameter_value, null))
            as lowest_stockout_target,
        max(if(parameter = 'highest_stockout_target', parameter_value, null))
            as highest_stockout_target,
        max(if(parameter = 'lowest_demand_intensity', parameter_value, null))
            as lowest_demand_intensity,
        max(if(parameter = 'sampling_width', parameter_value, null)) as sampling_width,
        cast({{ var('target_stockout_rate') }} as double) as target_stockout_rate
    from {{ ref('validation_rules') }}

),

stock as (

    select
        count(*) as position_days,
        count(if(is_stockout, 1, null)) as stockout_days,
        count(
            if(
                quantity_on_hand < 0
                or quantity_available < 0
                or quantity_reserved < 0
                or quantity_in_transit < 0
                or quantity_damaged < 0,
                1,
                null
            )
        ) as negative_rows
    from inventory

),

-- Below full size each position counts as one independent draw.
stock_with_margin as (

    select
        stock.*,
        rules.*,
        rules.target_stockout_rate between rules.lowest_stockout_target
        and rules.highest_stockout_target
        and {{ var('demand_intensity') }} >= rules.lowest_demand_intensity as is_target_promised,
        rules.stockout_rate_margin
        + if(
            stock.position_days < rules.full_size_position_days,
            rules.sampling_width,
            0.0D
        )
        * sqrt(
            rules.target_stockout_rate
            * (1 - rules.target_stockout_rate)
            * {{ simulated_day_count() }}
            / nullif(stock.position_days, 0)
        ) as margin
    from stock
    cross join rules

),

sale_lines as (

    select
        count(if(not is_return, 1, null)) as sale_count,
        count(if(is_inventory_constrained, 1, null)) as constrained_count,
        count(
            if(is_inventory_constrained != (quantity_sold < quantity_requested), 1, null)
        ) as wrong_flags
    from sales

),

events as (

    select
        count(*) as event_count,
        coalesce(sum(lost_sales_quantity), 0) as units_lost
    from stockout_events

),

lost as (

    select
        count(*) as lost_count,
        coalesce(sum(quantity_lost), 0) as units_lost
    from lost_sales

),

final as (

    select
        inline(array( -- noqa: AL03
            named_struct(
                'validation_id', '5a',
                'check_id', 'stockout_rate',
                'validation_name', 'Stockout rate',
                'measured_value',
                stock.stockout_days / cast(nullif(stock.position_days, 0) as double),
                'expected_min', if(
                    stock.is_target_promised,
                    greatest(stock.target_stockout_rate - stock.margin, 0.0D),
                    null
                ),
                'expected_max', if(
                    stock.is_target_promised,
                    stock.target_stockout_rate + stock.margin,
                    null
                ),
                'detail', concat(
                    cast(stock.stockout_days as string),
                    ' of ',
                    cast(stock.position_days as string),
                    ' product-location-days have nothing available; target ',
                    {{ four_decimals('stock.target_stockout_rate') }},
                    ' +- ',
                    {{ four_decimals('stock.stockout_rate_margin') }},
                    ', wider by the sampling error below ',
                    {{ whole_number('stock.full_size_position_days') }},
                    ' such days'
                )
            ),
            named_struct(
                'validation_id', '5b',
                'check_id', 'constrained_sale_lines',
                'validation_name', 'Sale lines constrained by stock',
                'measured_value',
                sale_lines.constrained_count / cast(nullif(sale_lines.sale_count, 0) as double),
                'expected_min', if(
                    stock.is_target_promised
                    and stock.position_days >= stock.full_size_position_days,
                    1.0D / nullif(sale_lines.sale_count, 0),
                    null
                ),
                'expected_max', if(sale_lines.sale_count > 0, 1.0D, null),
                'detail', concat(
                    cast(sale_lines.constrained_count as string),
                    ' of ',
                    cast(sale_lines.sale_count as string),
                    ' sale lines got fewer units than wanted; at least one is expected from ',
                    {{ whole_number('stock.full_size_position_days') }},
                    ' product-location-days on'
                )
            ),
            named_struct(
                'validation_id', '5b_flags',
                'check_id', 'wrong_constrained_flags',
                'validation_name', 'Lines whose is_inventory_constrained is wrong',
                'measured_value', cast(sale_lines.wrong_flags as double),
                'expected_min', 0.0D,
                'expected_max', 0.0D,
                'detail', concat(
                    cast(sale_lines.wrong_flags as string),
                    ' lines break is_inventory_constrained = (quantity_sold < quantity_requested)'
                )
            ),
            -- Stockout days without an event leave nothing measured, and that fails.
            named_struct(
                'validation_id', '5c',
                'check_id', 'lost_units_of_stockout_events',
                'validation_name', 'Lost units of stockout events less those of lost sales',
                'measured_value', if(
                    events.event_count = 0 and stock.stockout_days > 0,
                    null,
                    cast(events.units_lost - lost.units_lost as double)
                ),
                'expected_min', 0.0D,
                'expected_max', 0.0D,
                'detail', concat(
                    cast(events.event_count as string),
                    ' stockout events lost ',
                    cast(events.units_lost as string),
                    ' units, ',
                    cast(lost.lost_count as string),
                    ' lost sales ',
                    cast(lost.units_lost as string)
                )
            ),
            named_struct(
                'validation_id', '5e',
                'check_id', 'negative_inventory',
                'validation_name', 'Inventory rows with a negative quantity',
                'measured_value', cast(stock.negative_rows as double),
                'expected_min', 0.0D,
                'expected_max', 0.0D,
                'detail', concat(
                    cast(stock.negative_rows as string),
                    ' of ',
                    cast(stock.position_days as string),
                    ' rows'
                )
            )
        ))
    from stock_with_margin as stock
    cross join sale_lines
    cross join events
    cross join lost

)

select * from final
