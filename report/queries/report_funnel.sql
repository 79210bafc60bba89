-- How many visits of each device get as far as a product, a cart, the checkout and an order?
with

events as (

    select * from {{ ref('gold_customer_event_fact') }}

),

-- One number stands for the id of a visit and one for its stages: there are millions of visits.
visits as (

    select
        device_type,
        xxhash64(session_id) as visit,
        min(date_key) as date_key,
        bit_or(case event_type
            when 'product_view' then 1
            when 'add_to_cart' then 2
            when 'checkout_start' then 4
            when 'checkout_complete' then 8
            else 0
        end) as stages
    from events
    group by device_type, xxhash64(session_id)

)

select
    device_type,
    min({{ date_of_key('date_key') }}) as first_day,
    max({{ date_of_key('date_key') }}) as last_day,
    count(*) as visits,
    count(if(stages & 1 > 0, 1, null)) as product_visits,
    count(if(stages & 2 > 0, 1, null)) as cart_visits,
    count(if(stages & 4 > 0, 1, null)) as checkout_visits,
    count(if(stages & 8 > 0, 1, null)) as order_visits
from visits
group by device_type
order by device_type asc
