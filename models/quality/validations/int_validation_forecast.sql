with

forecasts as (

    select * from {{ ref('gold_demand_forecast_fact') }}

),

rules as (

    select
        max(if(parameter = 'full_size_units', parameter_value, null)) as full_size_units,
        max(if(parameter = 'coverage_margin', parameter_value, null)) as coverage_margin,
        max(if(parameter = 'sampling_width', parameter_value, null)) as sampling_width
    from {{ ref('validation_rules') }}

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

-- The row before is a week of the same product or the end of another one's. Only these columns, and
-- partitions by location: docs/engine_notes.md#sorts-and-windows
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

final as (

    select
        inline(array( -- noqa: AL03
            named_struct(
                'validation_id', '6a',
                'check_id', 'forecast_error',
                'validation_name',
                'Forecast error on demand (WAPE), at most that of the week before as forecast',
                'measured_value', naive_errors.forecast_wape,
                'expected_min', if(naive_errors.demand > 0, 0.0D, null),
                'expected_max',
                naive_errors.naive_wape
                * if(
                    naive_errors.demand < rules.full_size_units,
                    1 + rules.sampling_width / sqrt(nullif(naive_errors.demand, 0)),
                    1.0D
                ),
                'detail', concat(
                    'WAPE of the forecast ',
                    coalesce({{ four_decimals('naive_errors.forecast_wape') }}, '-'),
                    ', of the demand of the week before as forecast ',
                    coalesce({{ four_decimals('naive_errors.naive_wape') }}, '-'),
                    '; over complete weeks, wider below ',
                    {{ whole_number('rules.full_size_units') }},
                    ' units'
                )
            ),
            named_struct(
                'validation_id', '6b',
                'check_id', 'forecast_error_on_sales_and_demand',
                'validation_name',
                'Forecast error on sales less that on demand (WAPE), constrained weeks',
                'measured_value',
                interval_errors.constrained_sales_wape - interval_errors.constrained_demand_wape,
                'expected_min', if(
                    interval_errors.constrained_sales_wape is null,
                    null,
                    if(
                        interval_errors.constrained_weeks < rules.full_size_units,
                        -rules.sampling_width / sqrt(nullif(interval_errors.constrained_weeks, 0)),
                        0.0D
                    )
                ),
                'expected_max', cast(null as double),
                'detail', concat(
                    'in ',
                    cast(interval_errors.constrained_weeks as string),
                    ' weeks with unmet demand WAPE on sales ',
                    coalesce({{ four_decimals('interval_errors.constrained_sales_wape') }}, '-'),
                    ', on demand ',
                    coalesce({{ four_decimals('interval_errors.constrained_demand_wape') }}, '-'),
                    '; wider below ',
                    {{ whole_number('rules.full_size_units') }},
                    ' weeks'
                )
            ),
            named_struct(
                'validation_id', '6c',
                'check_id', 'forecast_interval_coverage',
                'validation_name', 'Weeks whose demand is inside the forecast interval',
                'measured_value',
                interval_errors.weeks_inside
                / cast(nullif(interval_errors.complete_weeks, 0) as double),
                'expected_min',
                interval_errors.confidence_level
                - rules.coverage_margin
                - if(naive_errors.demand < rules.full_size_units, rules.sampling_width, 0.0D)
                * sqrt(
                    interval_errors.confidence_level
                    * (1 - interval_errors.confidence_level)
                    / nullif(interval_errors.complete_weeks, 0)
                ),
                'expected_max', if(interval_errors.complete_weeks > 0, 1.0D, null),
                'detail', concat(
                    cast(interval_errors.weeks_inside as string),
                    ' of ',
                    cast(interval_errors.complete_weeks as string),
                    ' complete product-location-weeks'
                )
            )
        ))
    from interval_errors
    cross join naive_errors
    cross join rules

)

select * from final
