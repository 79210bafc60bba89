-- How many visits of each device get as far as a product, a cart, the checkout and an order?
with

events as (

    select * from {{ ref('gold_customer_event_fact') }}

),

visits as (

    select
        session_id,
        min(date_key) as date_key,
        min(device_type) as device_type,
        bool_or(event_type = 'product_view') as saw_product,
        bool_or(event_type = 'add_to_cart') as filled_cart,
        bool_or(event_type = 'checkout_start') as started_checkout,
        bool_or(event_type = 'checkout_complete') as bought
    from events
    group by session_id

)

select
    device_type,
    min({{ date_of_key('date_key') }}) as first_day,
    max({{ date_of_key('date_key') }}) as last_day,
    count(*) as visits,
    count(if(saw_product, 1, null)) as product_visits,
    count(if(filled_cart, 1, null)) as cart_visits,
    count(if(started_checkout, 1, null)) as checkout_visits,
    count(if(bought, 1, null)) as order_visits
from visits
group by device_type
order by device_type asc
