-- How many more digital carts are abandoned when an item is low or capacity is exceeded?
with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where is_digital and recovered_from_cart_id is null

),

triggered as (

    select
        low_inventory_trigger,
        capacity_exceeded_trigger,
        count(*) as carts,
        count(if(is_abandoned, 1, null)) as abandoned_carts,
        sum({{ millionths('abandonment_rate') }}) as rate_millionths
    from carts
    group by low_inventory_trigger, capacity_exceeded_trigger

)

select
    low_inventory_trigger,
    capacity_exceeded_trigger,
    carts,
    abandoned_carts,
    abandoned_carts / cast(carts as double) as abandonment_rate,
    rate_millionths / 1000000.0D / carts as expected_abandonment_rate
from triggered
order by low_inventory_trigger asc, capacity_exceeded_trigger asc
