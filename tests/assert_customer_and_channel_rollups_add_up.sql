-- What is rolled up by channel or by customer and product must be all there is, to the cent: of
-- customer and product, up to the last Sunday.
with

sales_fact as (

    select
        sum({{ cents('net_sales_amount') }}) as cents,
        sum(if(is_return or date_key > {{ date_key(last_simulated_sunday()) }}, 0, 1))
            as weekly_lines_sold,
        sum(
            if(
                date_key > {{ date_key(last_simulated_sunday()) }},
                0,
                {{ cents('net_sales_amount') }}
            )
        ) as weekly_cents
    from {{ ref('gold_sales_fact') }}

),

cart_lines as (

    select count(*) as line_count
    from {{ ref('int_cart_lines') }}
    where date_key <= {{ date_key(last_simulated_sunday()) }}

),

events as (

    select count(*) as view_count
    from {{ ref('gold_customer_event_fact') }}
    where
        event_type = 'product_view'
        and date_key
        between {{ date_key(first_weekly_event_day()) }}
        and {{ date_key(last_simulated_sunday()) }}

),

sessions as (

    select count(*) as session_count from {{ ref('int_sessions') }}

),

store_carts as (

    select count(*) as cart_count
    from {{ ref('gold_cart_fact') }}
    where not is_digital and date_key >= {{ date_key(first_event_day()) }}

),

orders as (

    select count(distinct transaction_id) as order_count
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

channel_performance as (

    select
        sum({{ cents('total_revenue') }}) as cents,
        -- Sessions are kept as long as web events.
        sum(if(date_key >= {{ date_key(first_event_day()) }}, session_count, 0)) as visit_count,
        sum(transaction_count) as order_count
    from {{ ref('gold_channel_performance_agg') }}

),

affinity as (

    select
        sum(purchase_count) as purchase_count,
        sum(cart_add_count) as cart_add_count,
        sum(view_count) as view_count,
        sum({{ cents('total_spent') }}) as cents
    from {{ ref('gold_customer_product_affinity_agg') }}

)

select
    sales_fact.cents as sales_cents,
    sales_fact.weekly_cents,
    sales_fact.weekly_lines_sold,
    cart_lines.line_count,
    sessions.session_count,
    store_carts.cart_count,
    orders.order_count,
    events.view_count,
    channel_performance.cents as channel_cents,
    channel_performance.visit_count as channel_visit_count,
    channel_performance.order_count as channel_order_count,
    affinity.cents as affinity_cents,
    affinity.purchase_count as affinity_purchase_count,
    affinity.cart_add_count as affinity_cart_add_count,
    affinity.view_count as affinity_view_count
from sales_fact
cross join cart_lines
cross join events
cross join sessions
cross join store_carts
cross join orders
cross join channel_performance
cross join affinity
where
    channel_performance.cents != sales_fact.cents
    or channel_performance.visit_count != sessions.session_count + store_carts.cart_count
    or channel_performance.order_count != orders.order_count
    or affinity.cents != sales_fact.weekly_cents
    or affinity.purchase_count != sales_fact.weekly_lines_sold
    or affinity.cart_add_count != cart_lines.line_count
    or affinity.view_count != events.view_count
