-- The draw of a cart alone decides: below its rate it is left, and because of stock when the draw
-- is not below the base rate. So whoever reads the tables can tell cart by cart what stock did.
with

lines as (

    select
        cart_id,
        cart_line_id,
        abandonment_draw
    from {{ ref('int_cart_lines') }}
    where is_digital and {{ is_new('date_key') }}

),

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where recovered_from_cart_id is null and {{ is_new('date_key') }}

),

abandonments as (

    select
        cart_id,
        is_inventory_caused
    from {{ ref('gold_cart_abandonment_fact') }}
    where {{ is_new('date_key') }}

)

select
    lines.*,
    carts.base_abandonment_rate,
    carts.abandonment_rate,
    carts.is_abandoned,
    abandonments.is_inventory_caused
from lines
left join carts on lines.cart_id = carts.cart_id
left join abandonments on lines.cart_id = abandonments.cart_id
where
    carts.cart_id is null
    or carts.is_abandoned != (lines.abandonment_draw < carts.abandonment_rate)
    or carts.is_abandoned != (abandonments.cart_id is not null)
    or abandonments.is_inventory_caused
    != (lines.abandonment_draw >= carts.base_abandonment_rate)
