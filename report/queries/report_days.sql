-- What was wanted, sold, lost, returned and received each day, how much of the range was out of
-- stock, and how many first digital carts were abandoned?
with

daily as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

stockout_days as (

    select * from {{ ref('int_stockout_days') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

movements as (

    select * from {{ ref('gold_inventory_movement_fact') }}
    where movement_type = 'receipt'

),

cart_fact as (

    select * from {{ ref('gold_cart_fact') }}
    where is_digital and recovered_from_cart_id is null

),

sales as (

    select
        date_key,
        sum(units_requested) as units_requested,
        sum(units_sold) as units_sold,
        sum(units_lost) as units_lost,
        sum(units_returned) as units_returned,
        sum({{ cents('gross_revenue') }}) as gross_cents,
        sum({{ cents('lost_revenue') }}) as lost_cents
    from daily
    group by date_key

),

-- Every day of the window is here, sold on or not.
stock as (

    select
        date_key,
        sum(position_days) as position_days,
        sum(stockout_days) as stockout_days
    from stockout_days
    group by date_key

),

receipts as (

    select
        date_key,
        sum(quantity) as units_received
    from movements
    group by date_key

),

carts as (

    select
        date_key,
        count(*) as carts,
        count(if(is_abandoned, 1, null)) as abandoned_carts
    from cart_fact
    group by date_key

)

select
    dates.calendar_date,
    dates.is_peak_season,
    dates.holiday_name,
    stock.position_days,
    stock.stockout_days,
    coalesce(sales.units_requested, 0) as units_requested,
    coalesce(sales.units_sold, 0) as units_sold,
    coalesce(sales.units_lost, 0) as units_lost,
    coalesce(sales.units_returned, 0) as units_returned,
    coalesce(sales.gross_cents, 0) / 100.0D as gross_revenue,
    coalesce(sales.lost_cents, 0) / 100.0D as lost_revenue,
    coalesce(receipts.units_received, 0) as units_received,
    coalesce(carts.carts, 0) as carts,
    coalesce(carts.abandoned_carts, 0) as abandoned_carts
from stock
inner join dates on stock.date_key = dates.date_key
left join sales on stock.date_key = sales.date_key
left join receipts on stock.date_key = receipts.date_key
left join carts on stock.date_key = carts.date_key
order by dates.calendar_date asc
