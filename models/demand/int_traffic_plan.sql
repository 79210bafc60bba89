with

dates as (

    select * from {{ ref('gold_date_dim') }}

),

months as (

    select * from {{ ref('demand_by_month') }}

),

weekdays as (

    select * from {{ ref('demand_by_weekday') }}

),

holidays as (

    select * from {{ ref('int_holiday_calendar') }}
    where precedence = 1

),

-- Whole months, and four beyond the last one: orders look ahead, and a longer window must not
-- change what was planned for a month that it completes.
planned_dates as (

    select *
    from dates
    where
        calendar_date >= trunc({{ first_simulated_day() }}, 'MM')
        and calendar_date < add_months(
            trunc({{ last_simulated_day() }}, 'MM'), {{ planned_months_ahead() + 1 }}
        )

),

factors as (

    select
        months.channel_group,
        planned_dates.date_key,
        planned_dates.calendar_date,
        months.factor as month_factor,
        weekdays.factor as weekday_factor,
        case
            when holidays.holiday_name is null then 1.0D
            when months.channel_group = 'digital' then holidays.digital_factor
            else holidays.store_factor
        end as holiday_factor,
        coalesce(holidays.day_kind, if(planned_dates.day_of_week = 7, 'sunday', 'ordinary'))
            as day_kind
    from planned_dates
    inner join months on planned_dates.month = months.month
    inner join weekdays
        on
            planned_dates.day_of_week = weekdays.day_of_week
            and months.channel_group = weekdays.channel_group
    left join holidays on planned_dates.calendar_date = holidays.holiday_date

),

final as (

    select
        channel_group,
        date_key,
        cast(date_key div 100 as int) as month_key,
        calendar_date,
        month_factor,
        weekday_factor,
        holiday_factor,
        -- Six decimals, so that sums of it are exact as sums of integers.
        {{ millionths('month_factor * weekday_factor * holiday_factor') }} / 1000000.0D
            as demand_index,
        calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}
            as is_simulated,
        if(channel_group = 'store', day_kind, 'ordinary') as day_kind
    from factors

)

select * from final
