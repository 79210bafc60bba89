-- What do stockouts cost each day, and does the events table account for all of it?
with

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

events as (

    select * from {{ ref('gold_stockout_events') }}

),

tracked as (

    select
        lost_sales.date_key,
        lost_sales.quantity_lost,
        {{ cents('lost_sales.lost_revenue') }} as lost_cents,
        events.stockout_id is not null as has_event
    from lost_sales
    left join events on lost_sales.stockout_id = events.stockout_id

)

select
    date_key,
    count(*) as lost_lines,
    sum(quantity_lost) as units_lost,
    sum(lost_cents) / 100.0D as lost_revenue,
    count(if(has_event, null, 1)) as lines_without_event
from tracked
group by date_key
order by date_key asc
