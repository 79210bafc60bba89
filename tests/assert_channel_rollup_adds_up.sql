-- What is rolled up by channel must be all there is, to the cent.
with

sales_fact as (

    select
        sum({{ cents('net_sales_amount') }}) as cents,
        count(distinct if(is_return, null, transaction_id)) as order_count
    from {{ ref('gold_sales_fact') }}
    where {{ is_new('date_key') }}

),

sessions as (

    select count(*) as session_count
    from {{ ref('int_sessions') }}
    where {{ is_new('date_key') }}

),

store_carts as (

    select count(*) as cart_count
    from {{ ref('gold_cart_fact') }}
    where
        not is_digital
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

channel_performance as (

    select
        sum({{ cents('total_revenue') }}) as cents,
        -- Sessions are kept as long as web events.
        sum(if(date_key >= {{ date_key(first_event_day()) }}, session_count, 0)) as visit_count,
        sum(transaction_count) as order_count
    from {{ ref('gold_channel_performance_agg') }}
    where {{ is_new('date_key') }}

)

select
    sales_fact.cents as sales_cents,
    sales_fact.order_count,
    sessions.session_count,
    store_carts.cart_count,
    channel_performance.cents as channel_cents,
    channel_performance.visit_count as channel_visit_count,
    channel_performance.order_count as channel_order_count
from sales_fact
cross join sessions
cross join store_carts
cross join channel_performance
where
    channel_performance.cents != sales_fact.cents
    or channel_performance.visit_count != sessions.session_count + store_carts.cart_count
    or channel_performance.order_count != sales_fact.order_count
