with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and {{ is_new('date_key') }}

),

returns as (

    select * from {{ ref('gold_sales_fact') }}
    where is_return and {{ is_new('date_key') }}

),

products as (

    select
        product_key,
        category_level_1,
        dense_rank() over (order by category_level_1) as category_number,
        {{ cents('unit_cost') }} as cost_cents
    from {{ ref('gold_product_dim') }}

),

lines as (

    select
        date_key,
        product_key,
        location_key,
        channel_key,
        customer_key,
        -- An attempt that gets nothing of the category is no purchase of it.
        if(
            quantity_allocated > 0,
            cart_number * 4 + {{ cart_attempt('attempt', 'first_attempt') }},
            null
        ) as purchase_number,
        quantity_allocated as units_sold,
        0 as units_returned,
        quantity_allocated * (price_cents - discount_cents) as gross_cents,
        0 as returned_cents,
        quantity_requested as units_requested,
        quantity_requested - quantity_allocated as units_lost,
        (quantity_requested - quantity_allocated) * (price_cents - discount_cents) as lost_cents,
        if(attempt = 3, quantity_allocated, 0) as units_substituted,
        if(attempt = 4, quantity_allocated, 0) as units_bought_later
    from outcomes

    union all

    select
        date_key,
        product_key,
        location_key,
        channel_key,
        customer_key,
        cast(null as bigint) as purchase_number,
        0 as units_sold,
        quantity_sold as units_returned,
        0 as gross_cents,
        cast(-{{ cents('net_sales_amount') }} as int) as returned_cents,
        0 as units_requested,
        0 as units_lost,
        0 as lost_cents,
        0 as units_substituted,
        0 as units_bought_later
    from returns

),

categories as (

    select distinct
        category_number,
        category_level_1
    from products

),

-- One number in place of four columns: docs/engine_notes.md#keys-of-joins
totals as (

    select
        (lines.date_key * cast(10000 as bigint) + lines.location_key) * 1000000
        + lines.channel_key * 1000
        + products.category_number as group_number,
        {{ customer_number('lines.customer_key') }} as customer_number,
        count(distinct lines.purchase_number) as order_count,
        sum(lines.units_sold) as units_sold,
        sum(lines.units_returned) as units_returned,
        sum(lines.gross_cents) as gross_cents,
        sum(lines.returned_cents) as returned_cents,
        sum(
            lines.gross_cents
            - lines.returned_cents
            - (lines.units_sold - lines.units_returned) * products.cost_cents
        ) as margin_cents,
        sum(lines.units_requested) as units_requested,
        sum(lines.units_lost) as units_lost,
        sum(lines.lost_cents) as lost_cents,
        sum(lines.units_substituted) as units_substituted,
        sum(lines.units_bought_later) as units_bought_later
    from products
    inner join lines on products.product_key = lines.product_key
    group by
        (lines.date_key * cast(10000 as bigint) + lines.location_key) * 1000000
        + lines.channel_key * 1000
        + products.category_number,
        {{ customer_number('lines.customer_key') }}

),

final as (

    select
        cast(totals.group_number div 10000000000 as int) as date_key,
        categories.category_level_1,
        cast(totals.group_number div 1000000 % 10000 as int) as location_key,
        cast(totals.group_number div 1000 % 1000 as int) as channel_key,
        totals.customer_number,
        totals.order_count,
        totals.units_sold,
        totals.units_returned,
        totals.gross_cents,
        totals.returned_cents,
        totals.margin_cents,
        totals.units_requested,
        totals.units_lost,
        totals.lost_cents,
        totals.units_substituted,
        totals.units_bought_later
    from categories
    inner join totals on categories.category_number = totals.group_number % 1000

)

select * from final
