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

-- Days since a fixed Monday plus the location's own offset, modulo the review period: the calendar
-- depends on nothing else, in particular not on demand.
phases as (

    select
        locations.location_key,
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

receipts as (

    select
        *,
        pmod(days_since_review - lead_time_days, review_period_days) as days_since_receipt
    from phases

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
        days_since_receipt = 0 as is_receipt_day,
        date_add(
            calendar_date, cast(review_period_days - days_since_receipt as int)
        ) as next_receipt_date
    from receipts

)

select * from final
