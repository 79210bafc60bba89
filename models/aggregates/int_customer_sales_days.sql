with

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

requests as (

    select
        outcomes.date_key,
        cart_lines.product_key,
        cart_lines.location_key,
        cart_lines.channel_key,
        cart_lines.customer_key,
        -- An attempt that gets nothing of the category is no purchase of it.
        if(
            outcomes.quantity_allocated > 0,
            cart_lines.cart_number * 2 + outcomes.attempt,
            null
        ) as purchase_number,
        cart_lines.quantity_requested,
        cart_lines.quantity_requested - outcomes.quantity_allocated as quantity_lost,
        (cart_lines.quantity_requested - outcomes.quantity_allocated)
        * ({{ cents('cart_lines.unit_price') }} - {{ cents('cart_lines.discount_amount') }})
            as lost_cents
    from outcomes
    inner join cart_lines on outcomes.cart_line_id = cart_lines.cart_line_id

),

lines as (

    select
        date_key,
        product_key,
        location_key,
        channel_key,
        customer_key,
        purchase_number,
        0 as units_sold,
        0 as units_returned,
        cast(0 as bigint) as gross_cents,
        cast(0 as bigint) as returned_cents,
        cast(0 as bigint) as margin_cents,
        quantity_requested as units_requested,
        quantity_lost as units_lost,
        lost_cents
    from requests

    union all

    select
        date_key,
        product_key,
        location_key,
        channel_key,
        customer_key,
        cast(null as bigint) as purchase_number,
        if(is_return, 0, quantity_sold) as units_sold,
        if(is_return, quantity_sold, 0) as units_returned,
        if(is_return, 0, {{ cents('net_sales_amount') }}) as gross_cents,
        if(is_return, -{{ cents('net_sales_amount') }}, 0) as returned_cents,
        {{ cents('gross_margin_amount') }} as margin_cents,
        0 as units_requested,
        0 as units_lost,
        cast(0 as bigint) as lost_cents
    from sales

),

final as (

    select
        lines.date_key,
        products.category_level_1,
        lines.location_key,
        lines.channel_key,
        {{ customer_number('lines.customer_key') }} as customer_number,
        count(distinct lines.purchase_number) as order_count,
        sum(lines.units_sold) as units_sold,
        sum(lines.units_returned) as units_returned,
        sum(lines.gross_cents) as gross_cents,
        sum(lines.returned_cents) as returned_cents,
        sum(lines.margin_cents) as margin_cents,
        sum(lines.units_requested) as units_requested,
        sum(lines.units_lost) as units_lost,
        sum(lines.lost_cents) as lost_cents
    from products
    inner join lines on products.product_key = lines.product_key
    group by
        lines.date_key,
        products.category_level_1,
        lines.location_key,
        lines.channel_key,
        {{ customer_number('lines.customer_key') }}

)

select * from final
