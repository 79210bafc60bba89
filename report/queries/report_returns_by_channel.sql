-- What share of the lines sold through each channel has come back?
with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

lines as (

    select
        channel_key,
        count(if(is_return, null, 1)) as sale_lines,
        count(if(is_return, 1, null)) as return_lines
    from sales
    group by channel_key

)

select
    channels.channel_name,
    channels.is_digital,
    lines.sale_lines,
    lines.return_lines
from channels
inner join lines on channels.channel_key = lines.channel_key
order by channels.is_digital asc, channels.channel_name asc
