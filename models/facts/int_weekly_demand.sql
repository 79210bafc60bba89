with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

requests as (

    select
        outcomes.product_key,
        outcomes.location_key,
        outcomes.date_key,
        cart_lines.quantity_requested
    from outcomes
    inner join cart_lines on outcomes.cart_line_id = cart_lines.cart_line_id

),

requested_and_sold as (

    select
        product_key,
        location_key,
        {{ week_start(date_of_key('date_key')) }} as week_start,
        quantity_requested as units_requested,
        0 as units_sold,
        cast(0 as bigint) as revenue_cents
    from requests

    union all

    select
        product_key,
        location_key,
        {{ week_start(date_of_key('date_key')) }} as week_start,
        0 as units_requested,
        quantity_sold as units_sold,
        {{ cents('net_sales_amount') }} as revenue_cents
    from sales

),

final as (

    select
        product_key,
        location_key,
        week_start,
        sum(units_requested) as units_requested,
        sum(units_sold) as units_sold,
        sum(revenue_cents) as revenue_cents
    from requested_and_sold
    group by product_key, location_key, week_start

)

select * from final
