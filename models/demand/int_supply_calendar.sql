with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

schedules as (

    select * from {{ ref('supply_schedule') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}
    where
        calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}
        and {{ is_new('date_key') }}

),

-- A closed store takes no delivery: it comes on the next open day.
closed_days as (

    select
        holiday_date as closed_date,
        -- The same for all days of a run of closed days.
        date_sub(
            holiday_date, cast(row_number() over (order by holiday_date asc) as int)
        ) as run_key
    from {{ ref('int_holiday_calendar') }}
    where day_kind = 'closed' and precedence = 1

),

next_open_days as (

    select
        closed_date,
        date_add(max(closed_date) over (partition by run_key), 1) as open_date
    from closed_days

),

-- Days since a fixed Monday plus the location's own offset, modulo the review period: the calendar
-- depends on nothing else, in particular not on demand.
phases as (

    select
        locations.location_key,
        locations.location_type,
        dates.date_key,
        dates.calendar_date,
        dates.is_peak_season,
        schedules.review_period_days,
        schedules.lead_time_days,
        cast(pmod(
            datediff(dates.calendar_date, date '2000-01-03')
            + cast(
                {{ uniform('review_offset', ['locations.location_key']) }}
                * schedules.review_period_days as int
            ),
            schedules.review_period_days
        ) as int) as days_since_review
    from locations
    cross join dates
    inner join schedules on locations.location_type = schedules.location_type

),

scheduled as (

    select
        *,
        date_add(calendar_date, lead_time_days) as arrival_date,
        date_sub(
            calendar_date,
            cast(pmod(days_since_review - lead_time_days, review_period_days) as int)
        ) as last_receipt_date
    from phases

),

-- The receipt that was due by this day, which may be yet to come, and the one due after it.
receipts as (

    select
        scheduled.*,
        coalesce(arrivals.open_date, scheduled.arrival_date) as open_arrival_date,
        coalesce(last_receipts.open_date, scheduled.last_receipt_date) as open_last_receipt_date,
        coalesce(
            next_receipts.open_date,
            date_add(scheduled.last_receipt_date, scheduled.review_period_days)
        ) as open_next_receipt_date
    from scheduled
    left join next_open_days as arrivals
        on
            scheduled.location_type = 'store'
            and scheduled.arrival_date = arrivals.closed_date
    left join next_open_days as last_receipts
        on
            scheduled.location_type = 'store'
            and scheduled.last_receipt_date = last_receipts.closed_date
    left join next_open_days as next_receipts
        on
            scheduled.location_type = 'store'
            and date_add(scheduled.last_receipt_date, scheduled.review_period_days)
            = next_receipts.closed_date

),

final as (

    select
        location_key,
        date_key,
        calendar_date,
        is_peak_season,
        review_period_days,
        lead_time_days,
        days_since_review,
        days_since_review = 0 as is_review_day,
        open_last_receipt_date = calendar_date as is_receipt_day,
        if(
            open_last_receipt_date > calendar_date,
            open_last_receipt_date,
            open_next_receipt_date
        ) as next_receipt_date,
        open_arrival_date as arrival_date
    from receipts

)

select * from final
