-- How does each customer segment react to low inventory when it fills a digital cart?
with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    -- Who is not known has no segment.
    where is_digital and recovered_from_cart_id is null and customer_key != 0

),

segments as (

    select
        segment,
        count(*) as carts,
        count(if(is_abandoned, 1, null)) as abandoned,
        count(if(low_inventory_trigger or capacity_exceeded_trigger, 1, null))
            as triggered,
        count(
            if((low_inventory_trigger or capacity_exceeded_trigger) and is_abandoned, 1, null)
        ) as triggered_abandoned
    from carts
    group by segment

),

rates as (

    select
        segment,
        carts,
        abandoned / cast(carts as double) as abandonment_rate,
        triggered / cast(carts as double) as triggered_share,
        triggered_abandoned / cast(nullif(triggered, 0) as double) as triggered_rate,
        (abandoned - triggered_abandoned) / cast(nullif(carts - triggered, 0) as double)
            as other_rate
    from segments

)

select
    segment,
    carts,
    abandonment_rate,
    triggered_share,
    triggered_rate,
    other_rate,
    triggered_rate - other_rate as rise
from rates
order by segment asc
