with

weeks as (

    select * from {{ ref('int_forecast_weeks') }}
    where {{ is_week_closed() }}

),

demand_plan as (

    select * from {{ ref('int_demand_plan') }}

),

-- What planners made of usual demand before the first day; later sales are seen below.
first_forecasts as (

    select
        product_key,
        location_key,
        forecast_ratio
    from {{ ref('int_replenishment_plan') }}
    where opening_available is not null

),

locations as (

    select * from {{ ref('int_location_demand') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

weekly_demand as (

    select * from {{ ref('int_weekly_demand') }}

),

settings as (

    select
        max(if(parameter = 'prior_units', parameter_value, null)) as prior_units,
        max(if(parameter = 'variance_to_mean', parameter_value, null)) as variance_to_mean,
        max(if(parameter = 'weekly_variance', parameter_value, null)) as weekly_variance,
        max(if(parameter = 'interval_width', parameter_value, null)) as interval_width,
        max(if(parameter = 'confidence_level', parameter_value, null)) as confidence_level
    from {{ ref('forecast_settings') }}

),

-- location_key has gaps, and forecast_id has to fit an int.
numbered_locations as (

    select
        location_key,
        channel_group,
        row_number() over (order by location_key) as location_number
    from locations

),

planned_months as (

    select
        demand_plan.product_key,
        demand_plan.location_key,
        demand_plan.month_key,
        demand_plan.usual_daily_demand
        * demand_plan.share_on_sale
        * first_forecasts.forecast_ratio as planned_daily_demand
    from demand_plan
    inner join first_forecasts
        on
            demand_plan.location_key = first_forecasts.location_key
            and demand_plan.product_key = first_forecasts.product_key

),

-- A week lies in at most two months. Partitions by location: docs/engine_notes.md#sorts-and-windows
month_pairs as (

    select
        product_key,
        location_key,
        month_key,
        planned_daily_demand,
        if(
            lead(product_key) over (
                partition by location_key
                order by product_key, month_key
            ) = product_key,
            lead(planned_daily_demand) over (
                partition by location_key
                order by product_key, month_key
            ),
            0.0D
        ) as next_month_daily_demand
    from planned_months

),

location_weeks as (

    select
        numbered_locations.location_key,
        numbered_locations.location_number,
        weeks.*,
        settings.*
    from weeks
    inner join numbered_locations on weeks.channel_group = numbered_locations.channel_group
    cross join settings

),

-- Whole millionths, so that the sums over weeks are exact on every engine.
planned as (

    select
        month_pairs.product_key,
        month_pairs.location_key,
        location_weeks.week_start,
        {{ millionths(
            '(month_pairs.planned_daily_demand * location_weeks.days'
            ~ ' + month_pairs.next_month_daily_demand * location_weeks.next_month_days)'
        ) }} as plan_millionths,
        {{ millionths(
            '(month_pairs.planned_daily_demand * location_weeks.observed_days'
            ~ ' + month_pairs.next_month_daily_demand * location_weeks.next_month_observed_days)'
        ) }} as observed_plan_millionths
    from location_weeks
    inner join month_pairs
        on
            location_weeks.location_key = month_pairs.location_key
            and location_weeks.month_key = month_pairs.month_key

),

-- Up to the Sunday before the week; later weeks see all up to the last Sunday.
-- One sum holds both, demand in the digits above the plan: docs/engine_notes.md#sorts-and-windows
running as (

    select
        planned.*,
        coalesce(weekly_demand.units_requested, 0) as units_requested,
        coalesce(weekly_demand.units_sold, 0) as units_sold,
        coalesce(weekly_demand.revenue_cents, 0) as revenue_cents,
        coalesce(
            sum(
                cast(coalesce(weekly_demand.units_requested, 0) as decimal(38, 0))
                * 1000000000000000000
                + planned.observed_plan_millionths
            ) over (
                partition by planned.location_key, planned.product_key
                order by planned.week_start
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as demand_and_plan
    from planned
    left join weekly_demand
        on
            planned.product_key = weekly_demand.product_key
            and planned.location_key = weekly_demand.location_key
            and planned.week_start = weekly_demand.week_start

),

observed as (

    select
        *,
        cast(demand_and_plan div 1000000000000000000 as bigint) as demand_so_far,
        cast(demand_and_plan % 1000000000000000000 as bigint) / 1000000.0D as plan_so_far
    from running

),

-- Gamma-Poisson: the plan is the prior mean, worth prior_units of demand.
updated as (

    select
        observed.*,
        location_weeks.location_number,
        location_weeks.week_number,
        location_weeks.forecast_date,
        location_weeks.is_complete,
        location_weeks.prior_units,
        location_weeks.variance_to_mean,
        location_weeks.weekly_variance,
        location_weeks.interval_width,
        location_weeks.confidence_level,
        {{ cents('products.base_price') }} as price_cents,
        observed.plan_millionths
        / 1000000.0D
        * (
            (location_weeks.prior_units + observed.demand_so_far)
            / (location_weeks.prior_units + observed.plan_so_far)
        ) as mean_demand
    from location_weeks
    inner join observed
        on
            location_weeks.location_key = observed.location_key
            and location_weeks.week_start = observed.week_start
    inner join products on observed.product_key = products.product_key
    where
        location_weeks.is_forecast
        and {{ is_new_week(date_key('location_weeks.week_start')) }}

),

spread as (

    select
        *,
        interval_width * sqrt(
            mean_demand
            * (
                variance_to_mean
                + mean_demand * (weekly_variance + 1 / (prior_units + demand_so_far))
            )
        ) as half_interval
    from updated

),

published as (

    select
        *,
        cast(floor(mean_demand * 1000 + 0.5) as bigint) as forecast_thousandths,
        cast(floor(greatest(mean_demand - half_interval, 0.0D) * 1000 + 0.5) as bigint)
            as lower_thousandths,
        cast(floor((mean_demand + half_interval) * 1000 + 0.5) as bigint) as upper_thousandths,
        if(is_complete, units_requested, null) as actual_units_requested,
        if(is_complete, units_sold, null) as actual_units_sold,
        if(is_complete, revenue_cents, null) as actual_revenue_cents
    from spread

),

compared as (

    select
        *,
        (forecast_thousandths - 1000 * actual_units_requested)
        / 10.0D
        / nullif(actual_units_requested, 0) as percentage_error
    from published

),

final as (

    select
        -- Counts on from the first week, so that more days change no number.
        cast(
            (week_number * cast({{ var('num_locations') }} as bigint) + location_number - 1)
            * {{ var('num_products') }}
            + product_key as int
        ) as forecast_id,
        forecast_date,
        product_key,
        location_key,
        {{ date_key('week_start') }} as date_key,
        forecast_thousandths / 1000.0D as forecast_quantity,
        (forecast_thousandths * price_cents + 500) div 1000 / 100.0D as forecast_revenue,
        lower_thousandths / 1000.0D as confidence_lower_bound,
        upper_thousandths / 1000.0D as confidence_upper_bound,
        confidence_level,
        cast(actual_units_sold as double) as actual_quantity,
        actual_revenue_cents / 100.0D as actual_revenue,
        -- greatest() would pass over a NULL.
        if(percentage_error is null, null, greatest(100 - abs(percentage_error), 0.0D))
            as forecast_accuracy,
        abs(percentage_error) as mape,
        percentage_error as bias,
        '1.0' as model_version,
        'gamma_poisson' as model_type,
        forecast_thousandths / 1000.0D as forecasted_quantity,
        cast(datediff(week_start, forecast_date) as int) as horizon_days,
        cast(actual_units_requested as double) as actual_demand,
        cast(actual_units_requested - actual_units_sold as double) as unmet_demand,
        actual_units_requested > actual_units_sold as is_constrained,
        {{ audit_columns('planning') }}
    from compared

)

select * from final
