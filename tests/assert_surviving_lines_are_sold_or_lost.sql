-- What a surviving line asked for is sold, or its shelf is empty: no unit may disappear between the
-- carts, the allocation and the published sales, and none may come from nowhere.
{% set carried_columns = [
    'product_key', 'location_key', 'quantity_requested', 'customer_key', 'cart_number',
    'channel_key', 'time_key', 'promotion_key'
] %}
with

-- One number in place of ten columns makes the joins of millions of lines cheap.
cart_lines as (

    select
        cart_line_id,
        xxhash64(
            {{ carried_columns | join(', ') }},
            {{ cents('unit_price') }},
            {{ cents('discount_amount') }}
        ) as content_hash
    from {{ ref('int_cart_lines') }}

),

outcomes as (

    select
        cart_line_id,
        attempt,
        quantity_allocated,
        xxhash64(
            {{ carried_columns | join(', ') }},
            cast(price_cents as bigint),
            cast(discount_cents as bigint)
        ) as content_hash,
        if(
            is_abandoned,
            quantity_allocated = 0 and inventory_at_purchase is null,
            quantity_allocated = least(quantity_requested, inventory_at_purchase)
        ) as gets_what_is_left
    from {{ ref('int_line_outcomes') }}

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
        outcomes.attempt,
        cart_lines.content_hash = outcomes.content_hash as is_same_line,
        outcomes.gets_what_is_left,
        outcomes.quantity_allocated,
        coalesce(sales.quantity_sold, 0) as quantity_sold
    from cart_lines
    full join outcomes on cart_lines.cart_line_id = outcomes.cart_line_id
    left join sales
        on
            outcomes.cart_line_id = sales.cart_line_id
            and outcomes.attempt = sales.attempt

)

select *
from lines
where
    cart_line_id is null
    or attempt is null
    or not is_same_line
    or not coalesce(gets_what_is_left, false)
    or quantity_sold != quantity_allocated
