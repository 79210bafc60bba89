-- Who asks the events must find the same carts and orders as who asks the sales: each line added
-- once, each order completed once, an abandoned cart never completed.
with

events as (

    select
        event_id div 100 as session_key,
        session_id,
        event_type,
        product_key
    from {{ ref('gold_customer_event_fact') }}
    where
        event_type in ('add_to_cart', 'remove_from_cart', 'checkout_start', 'checkout_complete')
        and {{ is_new('date_key') }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        is_digital
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

sales as (

    select distinct concat('SES_', substring(cart_id, 6)) as session_id
    from {{ ref('gold_sales_fact') }}
    where
        not is_return
        and pos_terminal_id is null
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

lines as (

    select
        concat(
            'SES_',
            cast(cart_number as string),
            {{ cart_suffix(cart_attempt('attempt', 'first_attempt')) }}
        ) as session_id,
        product_key,
        is_abandoned
    from outcomes

),

-- Two missing things may have the same substitute.
lines_of_products as (

    select
        session_id,
        product_key,
        count(*) as line_count
    from lines
    group by session_id, product_key

),

kept_products as (

    select
        session_id,
        product_key,
        sum(if(event_type = 'add_to_cart', 1, -1)) as kept_count,
        min(if(event_type = 'add_to_cart', 1, -1)) as lowest
    from events
    where event_type in ('add_to_cart', 'remove_from_cart')
    group by session_id, product_key

),

wrong_lines as (

    select
        'add_to_cart' as problem,
        coalesce(lines_of_products.session_id, kept_products.session_id) as session_id
    from lines_of_products
    full outer join kept_products
        on
            lines_of_products.session_id = kept_products.session_id
            and lines_of_products.product_key = kept_products.product_key
    where
        coalesce(lines_of_products.line_count, 0) != coalesce(kept_products.kept_count, 0)
        or (lines_of_products.line_count >= 1 and kept_products.lowest = -1)

),

orders as (

    select
        session_id,
        sum(if(event_type = 'checkout_start', 1, 0)) as start_count,
        sum(if(event_type = 'checkout_complete', 1, 0)) as complete_count
    from events
    where event_type in ('checkout_start', 'checkout_complete')
    group by session_id

),

completed_orders as (

    select * from orders
    where complete_count > 0

),

surviving_sessions as (

    select distinct session_id
    from lines
    where not is_abandoned

),

wrong_orders as (

    select
        'checkout_complete' as problem,
        coalesce(sales.session_id, completed_orders.session_id) as session_id
    from sales
    full outer join completed_orders
        on sales.session_id = completed_orders.session_id
    where
        sales.session_id is null
        or completed_orders.session_id is null
        or completed_orders.complete_count != 1
        or completed_orders.start_count != 1

),

wrong_survivors as (

    select
        'checkout_start' as problem,
        surviving_sessions.session_id
    from surviving_sessions
    left anti join orders on surviving_sessions.session_id = orders.session_id

)

select * from wrong_lines
union all
select * from wrong_orders
union all
select * from wrong_survivors
