with

holiday_calendar as (

    select * from {{ ref('int_holiday_calendar') }}

),

days as (

    select
        explode(
            sequence({{ first_new_calendar_day() }}, {{ last_calendar_day() }}, interval 1 day)
        ) as calendar_date

),

parts as (

    select
        calendar_date,
        year(calendar_date) as year,
        quarter(calendar_date) as quarter,
        month(calendar_date) as month,
        weekofyear(calendar_date) as week_of_year,
        day(calendar_date) as day_of_month,
        {{ iso_day_of_week('calendar_date') }} as day_of_week,
        -- A week belongs to the year that its Thursday lies in.
        year(date_add({{ week_start('calendar_date') }}, 3)) as iso_year,
        -- The fiscal year begins in February and is named for the year it begins in.
        year(add_months(calendar_date, -1)) as fiscal_year,
        quarter(add_months(calendar_date, -1)) as fiscal_quarter,
        month(add_months(calendar_date, -1)) as fiscal_month
    from days

),

holidays as (

    select
        holiday_date,
        holiday_name,
        sale_event_name
    from holiday_calendar
    where precedence = 1

),

sale_months as (

    select distinct
        year(holiday_date) as year,
        month(holiday_date) as month
    from holiday_calendar
    where sale_event_name is not null

),

final as (

    select
        cast(
            parts.year * 10000 + parts.month * 100 + parts.day_of_month as int
        ) as date_key,
        parts.calendar_date,
        cast(parts.year as int) as year,
        cast(parts.quarter as int) as quarter,
        cast(parts.month as int) as month,
        date_format(parts.calendar_date, 'MMMM') as month_name,
        cast(parts.week_of_year as int) as week_of_year,
        cast(parts.day_of_month as int) as day_of_month,
        cast(parts.day_of_week as int) as day_of_week,
        date_format(parts.calendar_date, 'EEEE') as day_name,
        parts.day_of_week >= 6 as is_weekend,
        holidays.holiday_name is not null as is_holiday,
        holidays.holiday_name,
        cast(parts.fiscal_year as int) as fiscal_year,
        cast(parts.fiscal_quarter as int) as fiscal_quarter,
        cast(parts.fiscal_month as int) as fiscal_month,
        case
            when parts.month between 3 and 5 then 'Spring'
            when parts.month between 6 and 8 then 'Summer'
            when parts.month between 9 and 11 then 'Fall'
            else 'Winter'
        end as season,
        parts.month >= 11 as is_peak_season,
        sale_months.month is not null as is_sale_period,
        holidays.sale_event_name,
        cast(parts.week_of_year as int) as week,
        {{ audit_columns() }},
        cast(parts.iso_year as int) as iso_year,
        cast(parts.iso_year * 100 + parts.week_of_year as int) as year_week
    from parts
    left join holidays
        on parts.calendar_date = holidays.holiday_date
    left join sale_months
        on
            parts.year = sale_months.year
            and parts.month = sale_months.month

)

select * from final
