{#- Fewer days are not enough to speak of a month. -#}
{%- set whole_month_days = 28 -%}

with

dates as (

    select * from {{ ref('gold_date_dim') }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

window_months as (

    select * from {{ ref('int_window_months') }}

),

month_days as (

    select
        dates.month,
        max(dayofmonth(last_day(dates.calendar_date))) as days_in_month,
        count(distinct daily_sales.date_key) as day_count,
        sum(if(channels.is_digital, 0, {{ cents('daily_sales.gross_revenue') }}))
            as store_cents,
        sum(if(channels.is_digital, {{ cents('daily_sales.gross_revenue') }}, 0))
            as digital_cents
    from dates
    inner join daily_sales on dates.date_key = daily_sales.date_key
    inner join channels on daily_sales.channel_key = channels.channel_key
    group by dates.month

),

-- Sales of a whole month; one with a few days only says nothing about it.
months as (

    select
        month,
        store_cents * days_in_month div day_count as store_cents,
        digital_cents * days_in_month div day_count as digital_cents
    from month_days
    where day_count >= {{ whole_month_days }}

),

-- Scaled so that the months of the window have together what is published for them.
month_shares as (

    select
        window_months.metric_id,
        months.store_cents,
        sum(months.store_cents) over () as window_cents,
        sum(if(months.month is null, 0, window_months.share_millionths)) over ()
            as window_millionths,
        count(months.month) over () as month_count
    from window_months
    left join months on window_months.month = months.month

),

digital_seasons as (

    select
        sum(if(month = 10, digital_cents, null)) as october_cents,
        if(
            count(if(month in (10, 11, 12), 1, null)) = 3,
            sum(if(month in (11, 12), digital_cents, 0)),
            null
        ) as holiday_cents
    from months

),

final as (

    -- One month is no season.
    select
        metric_id,
        if(
            month_count > 1,
            store_cents
            / cast(nullif(window_cents, 0) as double)
            * (window_millionths / 1000000.0D),
            null
        ) as measured_value,
        concat(
            coalesce(cast(store_cents div 100 as string), 'none'),
            ' of ',
            coalesce(cast(window_cents div 100 as string), 'no'),
            ' dollars that stores sold in ',
            cast(month_count as string),
            ' months, which have together ',
            coalesce({{ four_decimals('window_millionths / 1000000.0D') }}, '-'),
            ' of a year'
        ) as detail
    from month_shares

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'digital_november_december',
                'holiday_cents',
                'october_cents',
                'cents sold in November and December by those of October'
            ) }}
        ))
    from digital_seasons

)

select * from final
