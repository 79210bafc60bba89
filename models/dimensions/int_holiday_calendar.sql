with

holidays as (

    select * from {{ ref('holidays') }}

),

years as (

    select explode({{ years_around_the_calendar() }}) as year

),

months as (

    select
        years.year,
        holidays.*,
        make_date(years.year, holidays.month, 1) as month_start,
        last_day(make_date(years.year, holidays.month, 1)) as month_end
    from holidays
    cross join years

),

dated as (

    select
        *,
        case
            when day is not null then date_add(month_start, day - 1)
            when nth > 0
                then date_add(
                    month_start,
                    pmod(weekday - ({{ iso_day_of_week('month_start') }}), 7) + 7 * (nth - 1)
                )
            else date_sub(month_end, pmod({{ iso_day_of_week('month_end') }} - weekday, 7))
        end as rule_date
    from months

),

ranked as (

    select
        *,
        date_add(rule_date, offset_days) as holiday_date,
        -- Two holidays may meet, such as Juneteenth and Father's Day: the public one names the day.
        row_number() over (
            partition by date_add(rule_date, offset_days)
            order by is_public_holiday desc, holiday_name asc
        ) as precedence
    from dated

),

final as (

    select
        holiday_name,
        year,
        holiday_date,
        sale_event_name,
        is_public_holiday,
        store_factor,
        digital_factor,
        cast(precedence as int) as precedence,
        day_kind
    from ranked

)

select * from final
