with

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

carts as (

    select * from {{ ref('gold_cart_fact') }}

),

window_months as (

    select * from {{ ref('int_window_months') }}

),

orders_and_sales as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        1 as orders,
        cast(0 as bigint) as sold_cents
    from carts
    where units_sold > 0 and customer_key != 0

    union all

    select
        {{ customer_number('customer_key') }} as customer_number,
        0 as orders,
        {{ cents('net_sales_amount') }} as sold_cents
    from sales
    where not is_return and customer_key != 0

),

customers as (

    select
        customer_number,
        sum(orders) as orders,
        sum(sold_cents) as sold_cents
    from orders_and_sales
    group by customer_number

),

ranked_customers as (

    select
        orders,
        sold_cents,
        row_number() over (order by sold_cents desc, customer_number asc) as sales_rank,
        count(*) over () as customer_count
    from customers

),

customer_totals as (

    select
        count(*) as customer_count,
        count(if(orders >= 2, 1, null)) as repeat_customers,
        sum(orders) as orders,
        sum(sold_cents) as sold_cents,
        sum(if(sales_rank * 5 <= customer_count, sold_cents, 0)) as cents_of_top_fifth
    from ranked_customers

),

window_year as (

    select sum(year_billionths) / 1000000000.0D as years
    from window_months

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'repeat_customer_share',
                'customer_totals.repeat_customers',
                'customer_totals.customer_count',
                'buying customers with two orders or more'
            ) }},
            {{ measured_ratio(
                'orders_per_customer',
                'customer_totals.orders',
                'customer_totals.customer_count',
                'orders by buying customers, a year being longer than the window',
                'nullif(window_year.years, 0)'
            ) }},
            {{ measured_ratio(
                'top_fifth_of_customers_share',
                'customer_totals.cents_of_top_fifth',
                'customer_totals.sold_cents',
                'cents of the best fifth of the buying customers'
            ) }}
        ))
    from customer_totals
    cross join window_year

)

select * from final
