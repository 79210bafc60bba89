-- What a surviving line asked for is sold, or its shelf is empty: no unit may disappear between the
-- carts, the allocation and the published sales.
with

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}

),

sales as (

    select
        -- LINE_ and the digits of the line, R behind them when a recovery cart bought it.
        cast(translate(line_item_id, 'LINE_R', '') as bigint) as cart_line_id,
        if(line_item_id like '%R', 2, 1) as attempt,
        quantity_sold
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

lines as (

    select
        cart_lines.cart_line_id,
        cart_lines.quantity_requested,
        struct(
            cart_lines.product_key,
            cart_lines.location_key,
            cart_lines.quantity_requested,
            cart_lines.customer_key,
            {{ cents('cart_lines.unit_price') }},
            {{ cents('cart_lines.discount_amount') }}
        )
        = struct(
            outcomes.product_key,
            outcomes.location_key,
            outcomes.quantity_requested,
            outcomes.customer_key,
            cast(outcomes.price_cents as bigint),
            cast(outcomes.discount_cents as bigint)
        ) as is_same_line,
        outcomes.attempt,
        outcomes.is_abandoned,
        outcomes.quantity_allocated,
        outcomes.inventory_at_purchase,
        coalesce(sales.quantity_sold, 0) as quantity_sold
    from cart_lines
    left join outcomes on cart_lines.cart_line_id = outcomes.cart_line_id
    left join sales
        on
            outcomes.cart_line_id = sales.cart_line_id
            and outcomes.attempt = sales.attempt

)

select *
from lines
where
    attempt is null
    or not is_same_line
    or quantity_sold != quantity_allocated
    or (is_abandoned and (quantity_allocated != 0 or inventory_at_purchase is not null))
    or (
        not is_abandoned
        and quantity_allocated != least(quantity_requested, inventory_at_purchase)
    )
