-- 6 to 8% of sessions add to the cart, about 2.2% buy (fewer where shelves are thin), nearly half
-- leave at once, and desktop buys nearly twice as often as mobile; a small world strays too far
-- from its shares to be judged. The published conversion belongs to the published abandonment:
-- about two in five carts are bought, and few more are left because of stock.
with

sessions as (

    select * from {{ ref('int_sessions') }}

),

event_sessions as (

    select * from {{ ref('gold_customer_event_fact') }}
    where event_type = 'page_view'

),

funnel as (

    select
        count(*) as session_count,
        avg(if(items_count > 0, 1.0D, 0.0D)) as add_to_cart_share,
        avg(if(is_converted, 1.0D, 0.0D)) as conversion_rate,
        avg(if(device_number != 1, null, if(is_converted, 1.0D, 0.0D))) as desktop_rate,
        avg(if(device_number != 2, null, if(is_converted, 1.0D, 0.0D))) as mobile_rate
    from sessions

),

landings as (

    select avg(if(bounce_flag, 1.0D, 0.0D)) as bounce_rate
    from event_sessions

)

select
    funnel.*,
    landings.bounce_rate
from funnel
cross join landings
where
    funnel.session_count >= 1000000
    and (
        funnel.add_to_cart_share not between 0.055 and 0.08
        or landings.bounce_rate not between 0.37 and 0.48
        or (
            1 - {{ var('cart_abandonment_base_rate') }} * (1 - {{ var('cart_recovery_rate') }})
            between 0.35 and 0.49
            and {{ var('cart_abandonment_increase') }} <= 0.15
            and {{ var('low_inventory_threshold') }} <= 10
            and (
                funnel.conversion_rate not between 0.017 and 0.026
                or funnel.desktop_rate / funnel.mobile_rate not between 1.5 and 2.2
            )
        )
    )
