with

dates as (

    select
        *,
        {{ week_start('calendar_date') }} as week_start
    from {{ ref('gold_date_dim') }}
    where calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

-- Whole weeks without a holiday: the profile of an ordinary week.
ordinary_weeks as (

    select week_start
    from dates
    group by week_start
    having count(*) = 7 and count(holiday_name) = 0

),

weekdays as (

    select
        dates.day_of_week,
        sum(if(channels.is_digital, 0, daily_sales.units_sold)) as store_units,
        sum(if(channels.is_digital, daily_sales.units_sold, 0)) as digital_units
    from ordinary_weeks
    inner join dates on ordinary_weeks.week_start = dates.week_start
    inner join daily_sales on dates.date_key = daily_sales.date_key
    inner join channels on daily_sales.channel_key = channels.channel_key
    group by dates.day_of_week

),

week as (

    select
        sum(store_units) as store_units,
        sum(if(day_of_week = 2, store_units, 0)) as store_tuesday,
        sum(if(day_of_week = 6, store_units, 0)) as store_saturday,
        sum(if(day_of_week = 7, store_units, 0)) as store_sunday,
        sum(digital_units) as digital_units,
        sum(if(day_of_week = 4, digital_units, 0)) as digital_thursday,
        sum(if(day_of_week = 7, digital_units, 0)) as digital_sunday
    from weekdays

),

final as (

    select
        inline(array( -- noqa: AL03
            {% for metric_id, units in [
                ('store_saturday', 'store_units'),
                ('store_sunday', 'store_units'),
                ('store_tuesday', 'store_units'),
                ('digital_thursday', 'digital_units'),
                ('digital_sunday', 'digital_units'),
            ] -%}
                {{ measured_ratio(
                    metric_id, metric_id, units, 'units in ordinary weeks'
                ) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from week

)

select * from final
