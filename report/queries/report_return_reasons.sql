-- Why do lines come back, online and from stores?
with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

returns as (

    select * from {{ ref('gold_sales_fact') }}
    where is_return

)

select
    returns.return_reason,
    channels.is_digital,
    count(*) as return_lines
from channels
inner join returns on channels.channel_key = returns.channel_key
group by returns.return_reason, channels.is_digital
order by returns.return_reason asc, channels.is_digital asc
