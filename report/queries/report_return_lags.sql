-- How many days after the sale do lines come back, online and in stores?
with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

returns as (

    select
        original_line_item_id,
        date_key as return_date_key
    from sales
    where is_return

),

returned_lines as (

    select
        sales.channel_key,
        datediff(
            {{ date_of_key('returns.return_date_key') }}, {{ date_of_key('sales.date_key') }}
        ) as lag_days
    from returns
    inner join sales on returns.original_line_item_id = sales.line_item_id

)

select
    channels.is_digital,
    returned_lines.lag_days,
    count(*) as return_lines
from channels
inner join returned_lines on channels.channel_key = returned_lines.channel_key
group by channels.is_digital, returned_lines.lag_days
order by channels.is_digital asc, returned_lines.lag_days asc
