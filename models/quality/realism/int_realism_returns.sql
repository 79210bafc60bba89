with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

longest_return as (

    select * from {{ ref('int_longest_return') }}

),

returns as (

    select
        original_line_item_id,
        date_key
    from sales
    where is_return

),

-- Lines sold so long ago that every return of them has arrived.
settled_day as (

    select date_sub({{ last_simulated_day() }}, longest_return_days) as calendar_date
    from longest_return

),

settled_lines as (

    select
        sales.line_item_id,
        sales.date_key,
        sales.channel_key,
        {{ cents('sales.net_sales_amount') }} as sold_cents
    from settled_day
    inner join sales
        on sales.date_key <= {{ date_key('settled_day.calendar_date') }}
    where not sales.is_return

),

sold as (

    select
        channel_key,
        count(*) as line_count,
        sum(sold_cents) as sold_cents
    from settled_lines
    group by channel_key

),

lags as (

    select
        settled_lines.channel_key,
        datediff(
            {{ date_of_key('returns.date_key') }}, {{ date_of_key('settled_lines.date_key') }}
        ) as lag_days,
        count(*) as return_count,
        sum(settled_lines.sold_cents) as returned_cents
    from returns
    inner join settled_lines on returns.original_line_item_id = settled_lines.line_item_id
    group by
        settled_lines.channel_key,
        datediff(
            {{ date_of_key('returns.date_key') }}, {{ date_of_key('settled_lines.date_key') }}
        )

),

running_lags as (

    select
        *,
        sum(return_count) over (order by lag_days) as returns_so_far,
        sum(return_count) over () as all_returns
    from lags

),

returned as (

    select
        channel_key,
        sum(return_count) as return_count,
        sum(returned_cents) as returned_cents,
        min(if(returns_so_far * 2 >= all_returns, lag_days, null)) as median_days,
        sum(if(lag_days <= 30, return_count, 0)) as within_30_days
    from running_lags
    group by channel_key

),

totals as (

    select
        sum(sold.sold_cents) as sold_cents,
        sum(coalesce(returned.returned_cents, 0)) as returned_cents,
        sum(if(channels.is_digital, sold.line_count, 0)) as digital_sold,
        sum(if(channels.is_digital, coalesce(returned.return_count, 0), 0)) as digital_returned,
        sum(if(channels.is_digital, 0, sold.line_count)) as store_sold,
        sum(if(channels.is_digital, 0, coalesce(returned.return_count, 0))) as store_returned,
        min(returned.median_days) as median_days,
        sum(returned.within_30_days) as within_30_days,
        sum(returned.return_count) as return_count
    from channels
    inner join sold on channels.channel_key = sold.channel_key
    left join returned on sold.channel_key = returned.channel_key

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'return_share_of_sales',
                'returned_cents',
                'sold_cents',
                'cents of lines whose returns are all back'
            ) }},
            {{ measured_ratio(
                'return_rate_stores',
                'store_returned',
                'store_sold',
                'lines whose returns are all back'
            ) }},
            {{ measured_ratio(
                'return_rate_digital',
                'digital_returned',
                'digital_sold',
                'lines whose returns are all back'
            ) }},
            named_struct(
                'metric_id', 'return_lag_median',
                'measured_value', cast(median_days as double),
                'detail', concat(
                    coalesce(cast(return_count as string), 'no'), ' returned lines'
                )
            ),
            {{ measured_ratio(
                'returns_within_30_days', 'within_30_days', 'return_count', 'returned lines'
            ) }}
        ))
    from totals

)

select * from final
