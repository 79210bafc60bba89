with

traffic as (

    select * from {{ ref('int_traffic_plan') }}

),

days as (

    select
        channel_group,
        month_key,
        {{ week_start('calendar_date') }} as week_start,
        {{ millionths('demand_index') }} as index_millionths,
        calendar_date between {{ first_simulated_day() }} and {{ last_simulated_sunday() }}
            as is_observed
    from traffic

),

months as (

    select
        channel_group,
        month_key,
        count(*) as days_in_month,
        sum(index_millionths) as month_index_millionths
    from days
    group by channel_group, month_key

),

week_months as (

    select
        channel_group,
        month_key,
        week_start,
        sum(index_millionths) as index_millionths,
        sum(if(is_observed, index_millionths, 0)) as observed_index_millionths
    from days
    where
        week_start >= {{ week_start(first_simulated_day()) }}
        and week_start <= date_add({{ last_simulated_sunday() }}, 28)
    group by channel_group, month_key, week_start

),

-- Average days of its month that the days of the week are worth.
weighed as (

    select
        week_months.channel_group,
        week_months.week_start,
        week_months.month_key,
        min(week_months.month_key) over (
            partition by week_months.channel_group, week_months.week_start
        ) as first_month_key,
        week_months.index_millionths
        * months.days_in_month
        / cast(months.month_index_millionths as double) as days,
        week_months.observed_index_millionths
        * months.days_in_month
        / cast(months.month_index_millionths as double) as observed_days
    from week_months
    inner join months
        on
            week_months.channel_group = months.channel_group
            and week_months.month_key = months.month_key

),

-- Each maximum has one value to choose from: a sum of doubles would depend on its order.
weeks as (

    select
        channel_group,
        week_start,
        first_month_key as month_key,
        max(if(month_key = first_month_key, days, 0.0D)) as days,
        max(if(month_key = first_month_key, 0.0D, days)) as next_month_days,
        max(if(month_key = first_month_key, observed_days, 0.0D)) as observed_days,
        max(if(month_key = first_month_key, 0.0D, observed_days)) as next_month_observed_days
    from weighed
    group by channel_group, week_start, first_month_key

),

final as (

    select
        channel_group,
        week_start,
        datediff(week_start, {{ week_start(first_simulated_day()) }}) div 7 as week_number,
        month_key,
        days,
        next_month_days,
        observed_days,
        next_month_observed_days,
        least(date_sub(week_start, 1), {{ last_simulated_sunday() }}) as forecast_date,
        week_start >= {{ first_simulated_day() }} as is_forecast,
        week_start >= {{ first_simulated_day() }}
        and date_add(week_start, 6) <= {{ last_simulated_day() }} as is_complete
    from weeks

)

select * from final
