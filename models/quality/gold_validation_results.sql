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

carts as (

    select * from {{ ref('gold_cart_fact') }}

),

forecasts as (

    select * from {{ ref('gold_demand_forecast_fact') }}

),

daily as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

weekly as (

    select * from {{ ref('gold_sales_weekly_agg') }}

),

monthly as (

    select * from {{ ref('gold_sales_monthly_agg') }}

),

rules as (

    select
        max(if(parameter = 'full_size_position_days', parameter_value, null))
            as full_size_position_days,
        max(if(parameter = 'full_size_units', parameter_value, null))
            as full_size_units,
        max(if(parameter = 'stockout_rate_margin', parameter_value, null))
            as stockout_rate_margin,
        max(if(parameter = 'lowest_stockout_target', parameter_value, null))
            as lowest_stockout_target,
        max(if(parameter = 'highest_stockout_target', parameter_value, null))
            as highest_stockout_target,
        max(if(parameter = 'coverage_margin', parameter_value, null))
            as coverage_margin,
        max(if(parameter = 'sampling_width', parameter_value, null))
            as sampling_width,
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
        rules.target_stockout_rate,
        rules.target_stockout_rate between rules.lowest_stockout_target
        and rules.highest_stockout_target as is_target_promised,
        rules.stockout_rate_margin
        + if(
            stock.position_days < rules.full_size_position_days,
            rules.sampling_width,
            0.0D
        )
        * sqrt(
            rules.target_stockout_rate
            * (1 - rules.target_stockout_rate)
            * {{ var('date_range_days') }}
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
        ) as wrong_flags,
        sum(if(is_return, 0, quantity_sold)) as units_sold,
        sum(if(is_return, quantity_sold, 0)) as units_returned,
        sum({{ cents('net_sales_amount') }}) as net_cents
    from sales

),

returns as (

    select
        datediff(
            {{ date_of_key('return_restocked_date_key') }}, {{ date_of_key('date_key') }}
        ) as delay_days
    from sales
    where is_return

),

return_delays as (

    select
        count(*) as return_count,
        min(delay_days) as shortest_delay,
        max(delay_days) as longest_delay,
        count(
            if(
                delay_days between {{ var('return_delay_days')[0] }}
                and {{ var('return_delay_days')[1] }},
                null,
                1
            )
        ) as delays_outside
    from returns

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

cart_units as (

    select coalesce(sum(units_requested), 0) as units_requested
    from carts
    where not is_abandoned

),

first_digital_carts as (

    select
        segment,
        is_abandoned,
        low_inventory_trigger or capacity_exceeded_trigger as is_triggered,
        {{ millionths('(abandonment_rate - base_abandonment_rate)') }} as rise_millionths
    from carts
    where is_digital and recovered_from_cart_id is null

),

-- The share abandoned in each segment, with the rise that the rates promise.
segments as (

    select
        segment,
        count(if(is_triggered, 1, null)) as triggered_carts,
        count(if(is_triggered and is_abandoned, 1, null)) as triggered_abandoned,
        count(if(is_triggered, null, 1)) as other_carts,
        count(if(not is_triggered and is_abandoned, 1, null)) as other_abandoned,
        sum(if(is_triggered, rise_millionths, 0)) as rise_millionths
    from first_digital_carts
    group by segment

),

segment_rates as (

    select
        *,
        triggered_abandoned / cast(triggered_carts as double) as triggered_rate,
        other_abandoned / cast(other_carts as double) as other_rate,
        -- One more of each kind: ten of ten abandoned does not mean that the rate is known to be 1.
        (triggered_abandoned + 1)
        / (triggered_carts + 2.0D)
        * (1 - (triggered_abandoned + 1) / (triggered_carts + 2.0D)) as triggered_variance,
        (other_abandoned + 1)
        / (other_carts + 2.0D)
        * (1 - (other_abandoned + 1) / (other_carts + 2.0D)) as other_variance,
        rise_millionths / 1000000.0D / triggered_carts as expected_rise
    from segments
    where triggered_carts > 0 and other_carts > 0

),

-- Weighted by what each segment tells about the difference, and by the same for the rise promised.
segment_effects as (

    select
        segment,
        triggered_carts + other_carts as cart_count,
        triggered_rate - other_rate as rise,
        expected_rise,
        triggered_variance / triggered_carts + other_variance / other_carts as rise_variance,
        triggered_carts
        * cast(other_carts as double)
        / (triggered_carts + other_carts) as segment_weight
    from segment_rates

),

effects as (

    select
        concat('5d_', segment) as validation_id,
        concat('Low-inventory effect on abandonment, segment ', segment) as validation_name,
        cart_count,
        rise,
        expected_rise,
        sqrt(rise_variance) as rise_error
    from segment_effects

    union all

    select
        '5d' as validation_id,
        'Low-inventory effect on abandonment' as validation_name,
        sum(cart_count) as cart_count,
        sum(segment_weight * rise) / sum(segment_weight) as rise,
        sum(segment_weight * expected_rise) / sum(segment_weight) as expected_rise,
        sqrt(sum(segment_weight * segment_weight * rise_variance)) / sum(segment_weight)
            as rise_error
    from segment_effects

),

weekly_errors as (

    select
        location_key,
        product_key,
        date_key,
        actual_demand,
        actual_quantity,
        is_constrained,
        confidence_level,
        actual_demand between confidence_lower_bound and confidence_upper_bound
            as is_inside,
        cast(round(abs(forecast_quantity - actual_demand) * 1000) as bigint)
            as error_thousandths,
        cast(round(abs(forecast_quantity - actual_quantity) * 1000) as bigint)
            as sales_error_thousandths
    from forecasts

),

-- The row before is a week of the same product or the end of another one's; many small partitions
-- would take several times as long. Only these columns, as a sort copies all of its rows.
rows_before as (

    select
        product_key,
        actual_demand,
        error_thousandths,
        lag(actual_demand) over (
            partition by location_key
            order by product_key, date_key
        ) as demand_before,
        lag(product_key) over (
            partition by location_key
            order by product_key, date_key
        ) as product_key_before
    from weekly_errors

),

-- The week before is the forecast that needs no model.
naive_errors as (

    select
        coalesce(sum(actual_demand), 0.0D) as demand,
        sum(error_thousandths) / 1000.0D / nullif(sum(actual_demand), 0) as forecast_wape,
        sum(cast(round(abs(demand_before - actual_demand) * 1000) as bigint))
        / 1000.0D
        / nullif(sum(actual_demand), 0) as naive_wape
    from rows_before
    where
        actual_demand is not null
        and demand_before is not null
        and product_key_before = product_key

),

interval_errors as (

    select
        max(confidence_level) as confidence_level,
        count(if(is_inside, 1, null)) as weeks_inside,
        count(*) as complete_weeks,
        count(if(is_constrained, 1, null)) as constrained_weeks,
        sum(if(is_constrained, error_thousandths, 0))
        / 1000.0D
        / nullif(sum(if(is_constrained, actual_demand, 0.0D)), 0) as constrained_demand_wape,
        sum(if(is_constrained, sales_error_thousandths, 0))
        / 1000.0D
        / nullif(sum(if(is_constrained, actual_quantity, 0.0D)), 0) as constrained_sales_wape
    from weekly_errors
    where actual_demand is not null

),

forecast_errors as (

    select
        interval_errors.*,
        naive_errors.*
    from interval_errors
    cross join naive_errors

),

-- One row per check, so that the forecasts are read once for all three.
forecast_checks as (

    select
        forecast_errors.*,
        rules.full_size_units,
        rules.coverage_margin,
        rules.sampling_width,
        explode(array('6a', '6b', '6c')) as validation_id
    from forecast_errors
    cross join rules

),

rollups as (

    select
        '7b' as validation_id,
        'daily' as period,
        units_sold,
        units_returned,
        net_revenue,
        units_requested,
        units_lost
    from daily

    union all

    select
        '7c' as validation_id,
        'weekly' as period,
        units_sold,
        units_returned,
        net_revenue,
        units_requested,
        units_lost
    from weekly

    union all

    select
        '7d' as validation_id,
        'monthly' as period,
        units_sold,
        units_returned,
        net_revenue,
        units_requested,
        units_lost
    from monthly

),

rollup_totals as (

    select
        validation_id,
        period,
        sum(units_sold) as units_sold,
        sum(units_returned) as units_returned,
        sum({{ cents('net_revenue') }}) as net_cents,
        sum(units_requested) as units_requested,
        sum(units_lost) as units_lost
    from rollups
    group by validation_id, period

),

measured as (

    select
        '5a' as validation_id,
        'Stockout rate' as validation_name,
        stock.stockout_days / cast(nullif(stock.position_days, 0) as double) as measured_value,
        if(
            stock.is_target_promised,
            greatest(stock.target_stockout_rate - stock.margin, 0.0D),
            null
        ) as expected_min,
        if(stock.is_target_promised, stock.target_stockout_rate + stock.margin, null)
            as expected_max,
        concat(
            cast(stock.stockout_days as string),
            ' of ',
            cast(stock.position_days as string),
            ' product-location-days have nothing available; target ',
            {{ four_decimals('rules.target_stockout_rate') }},
            ' +- ',
            {{ four_decimals('rules.stockout_rate_margin') }},
            ', wider by the sampling error below ',
            cast(cast(rules.full_size_position_days as bigint) as string),
            ' such days'
        ) as detail
    from stock_with_margin as stock
    cross join rules

    union all

    select
        '5b' as validation_id,
        'Sale lines constrained by stock' as validation_name,
        sale_lines.constrained_count / cast(nullif(sale_lines.sale_count, 0) as double)
            as measured_value,
        if(
            stock.is_target_promised and stock.position_days >= rules.full_size_position_days,
            1.0D / nullif(sale_lines.sale_count, 0),
            null
        ) as expected_min,
        if(sale_lines.sale_count > 0, 1.0D, null) as expected_max,
        concat(
            cast(sale_lines.constrained_count as string),
            ' of ',
            cast(sale_lines.sale_count as string),
            ' sale lines got fewer units than wanted; at least one is expected from ',
            cast(cast(rules.full_size_position_days as bigint) as string),
            ' product-location-days on'
        ) as detail
    from sale_lines
    cross join stock_with_margin as stock
    cross join rules

    union all

    select
        '5b_flags' as validation_id,
        'Lines whose is_inventory_constrained is wrong' as validation_name,
        cast(wrong_flags as double) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(wrong_flags as string),
            ' lines break is_inventory_constrained = (quantity_sold < quantity_requested)'
        ) as detail
    from sale_lines

    union all

    -- Stockout days without an event leave nothing measured, and that fails.
    select
        '5c' as validation_id,
        'Lost units of stockout events less those of lost sales' as validation_name,
        if(
            events.event_count = 0 and stock.stockout_days > 0,
            null,
            cast(events.units_lost - lost.units_lost as double)
        ) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(events.event_count as string),
            ' stockout events lost ',
            cast(events.units_lost as string),
            ' units, ',
            cast(lost.lost_count as string),
            ' lost sales ',
            cast(lost.units_lost as string)
        ) as detail
    from events
    cross join lost
    cross join stock

    union all

    select
        effects.validation_id,
        effects.validation_name,
        effects.rise as measured_value,
        effects.expected_rise - rules.sampling_width * effects.rise_error as expected_min,
        effects.expected_rise + rules.sampling_width * effects.rise_error as expected_max,
        concat(
            coalesce(cast(effects.cart_count as string), '0'),
            ' digital carts; rise of the rates ',
            coalesce({{ four_decimals('effects.expected_rise') }}, '-'),
            if(
                abs(effects.rise - effects.expected_rise) <= 1.96 * effects.rise_error,
                ', inside',
                ', outside'
            ),
            ' the 95% interval of the measured one, +-',
            coalesce({{ four_decimals('1.96 * effects.rise_error') }}, '-'),
            '; the range allows for chance once in 1000'
        ) as detail
    from effects
    cross join rules

    union all

    select
        '5e' as validation_id,
        'Inventory rows with a negative quantity' as validation_name,
        cast(negative_rows as double) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(negative_rows as string), ' of ', cast(position_days as string), ' rows'
        ) as detail
    from stock

    union all

    select
        '5f' as validation_id,
        'Returns restocked too early or too late' as validation_name,
        cast(delays_outside as double) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(return_count as string),
            ' returns were available again after ',
            coalesce(cast(shortest_delay as string), '-'),
            ' to ',
            coalesce(cast(longest_delay as string), '-'),
            ' days; allowed are {{ var('return_delay_days')[0] }}',
            ' to {{ var('return_delay_days')[1] }}'
        ) as detail
    from return_delays

    union all

    select
        validation_id,
        case validation_id
            when '6a'
                then 'Forecast error on demand (WAPE), at most that of the week before as forecast'
            when '6b' then 'Forecast error on sales less that on demand (WAPE), constrained weeks'
            else 'Weeks whose demand is inside the forecast interval'
        end as validation_name,
        case validation_id
            when '6a' then forecast_wape
            when '6b' then constrained_sales_wape - constrained_demand_wape
            else weeks_inside / cast(nullif(complete_weeks, 0) as double)
        end as measured_value,
        case validation_id
            when '6a' then if(demand > 0, 0.0D, null)
            when '6b'
                then
                    if(
                        constrained_sales_wape is null,
                        null,
                        if(
                            constrained_weeks < full_size_units,
                            -sampling_width / sqrt(nullif(constrained_weeks, 0)),
                            0.0D
                        )
                    )
            else
                confidence_level
                - coverage_margin
                - if(demand < full_size_units, sampling_width, 0.0D)
                * sqrt(confidence_level * (1 - confidence_level) / nullif(complete_weeks, 0))
        end as expected_min,
        case validation_id
            when '6a'
                then
                    naive_wape
                    * if(
                        demand < full_size_units,
                        1 + sampling_width / sqrt(nullif(demand, 0)),
                        1.0D
                    )
            when '6c' then if(complete_weeks > 0, 1.0D, null)
        end as expected_max,
        case validation_id
            when '6a'
                then
                    concat(
                        'WAPE of the forecast ',
                        coalesce({{ four_decimals('forecast_wape') }}, '-'),
                        ', of the demand of the week before as forecast ',
                        coalesce({{ four_decimals('naive_wape') }}, '-'),
                        '; over complete weeks, wider below 1000 units'
                    )
            when '6b'
                then
                    concat(
                        'in ',
                        cast(constrained_weeks as string),
                        ' weeks with unmet demand WAPE on sales ',
                        coalesce({{ four_decimals('constrained_sales_wape') }}, '-'),
                        ', on demand ',
                        coalesce({{ four_decimals('constrained_demand_wape') }}, '-'),
                        '; wider below 1000 weeks'
                    )
            else
                concat(
                    cast(weeks_inside as string),
                    ' of ',
                    cast(complete_weeks as string),
                    ' complete product-location-weeks'
                )
        end as detail
    from forecast_checks

    union all

    select
        '7a' as validation_id,
        'Units requested less sold and lost' as validation_name,
        cast(
            cart_units.units_requested
            - coalesce(sale_lines.units_sold, 0)
            - lost.units_lost as double
        ) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            'surviving carts asked for ',
            cast(cart_units.units_requested as string),
            ' units; ',
            cast(coalesce(sale_lines.units_sold, 0) as string),
            ' were sold and ',
            cast(lost.units_lost as string),
            ' lost'
        ) as detail
    from cart_units
    cross join sale_lines
    cross join lost

    union all

    select
        rollup_totals.validation_id,
        concat('Units and cents by which the ', rollup_totals.period, ' rollup differs from facts')
            as validation_name,
        cast(
            abs(rollup_totals.units_sold - coalesce(sale_lines.units_sold, 0))
            + abs(rollup_totals.units_returned - coalesce(sale_lines.units_returned, 0))
            + abs(rollup_totals.net_cents - coalesce(sale_lines.net_cents, 0))
            + abs(rollup_totals.units_requested - cart_units.units_requested)
            + abs(rollup_totals.units_lost - lost.units_lost) as double
        ) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(rollup_totals.units_sold as string),
            ' units sold, ',
            cast(rollup_totals.units_returned as string),
            ' returned, ',
            cast(rollup_totals.units_requested as string),
            ' requested, ',
            cast(rollup_totals.units_lost as string),
            ' lost'
        ) as detail
    from rollup_totals
    cross join sale_lines
    cross join cart_units
    cross join lost

),

-- Six decimals: more than is meaningful, few enough to be the same on every engine.
rounded as (

    select
        validation_id,
        validation_name,
        {{ shown('measured_value') }} as measured_value,
        {{ shown('expected_min') }} as expected_min,
        {{ shown('expected_max') }} as expected_max,
        detail
    from measured

),

final as (

    select
        validation_id,
        validation_name,
        measured_value,
        expected_min,
        expected_max,
        (expected_min is null or coalesce(measured_value >= expected_min, false))
        and (expected_max is null or coalesce(measured_value <= expected_max, false))
            as is_passed,
        detail,
        {{ audit_columns() }}
    from rounded

)

select * from final
