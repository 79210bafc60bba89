with

ranges as (

    select * from {{ ref('realism_ranges') }}
    where metric_id like 'store_month_%'

),

dates as (

    select * from {{ ref('gold_date_dim') }}
    where calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}

),

days as (

    select
        month,
        dayofmonth(last_day(calendar_date)) as days_in_month,
        count(*) as day_count
    from dates
    group by month, dayofmonth(last_day(calendar_date))

),

published_months as (

    select
        metric_id,
        cast(substring(metric_id, 13) as int) as month,
        {{ millionths('(published_low + published_high) / 2') }} as share_millionths
    from ranges

),

-- How much of a year's sales falls into the window: in the last quarter more than a quarter.
final as (

    select
        published_months.metric_id,
        published_months.month,
        published_months.share_millionths,
        coalesce(sum(days.day_count), 0) as day_count,
        coalesce(
            sum(
                days.day_count
                * (published_months.share_millionths * 1000 div days.days_in_month)
            ),
            0
        ) as year_billionths
    from published_months
    left join days on published_months.month = days.month
    group by
        published_months.metric_id, published_months.month, published_months.share_millionths

)

select * from final
