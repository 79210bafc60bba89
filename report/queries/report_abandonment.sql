-- How many first digital carts does each segment abandon, with and without a trigger?
with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where is_digital and recovered_from_cart_id is null

),

triggered as (

    select
        segment,
        is_abandoned,
        low_inventory_trigger or capacity_exceeded_trigger as is_triggered,
        {{ millionths('abandonment_rate') }} as rate_millionths
    from carts

)

select
    segment,
    is_triggered,
    count(*) as carts,
    count(if(is_abandoned, 1, null)) as abandoned_carts,
    sum(rate_millionths) / 1000000.0D / count(*) as expected_rate
from triggered
group by segment, is_triggered
order by segment asc, is_triggered asc
