with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}
    where
        calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}
        and {{ is_new('date_key') }}

),

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    where {{ is_new('date_key') }}

),

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where {{ is_new('date_key') }}

),

browse_sessions as (

    select * from {{ ref('int_browse_sessions') }}
    where {{ is_new('date_key') }}

),

sales as (

    select
        channel_key,
        date_key,
        sum({{ cents('net_sales_amount') }}) as revenue_cents,
        sum(if(is_return, 1, 0)) as returned_lines
    from sales_fact
    group by channel_key, date_key

),

-- Nobody counts the doors: a visit to a store is a basket.
sessions as (

    select
        channel_key,
        date_key,
        {{ customer_number('customer_key') }} as customer_number,
        if(units_allocated > 0, 1, 0) as order_count
    from carts

    union all

    select
        channel_key,
        date_key,
        customer_number,
        0 as order_count
    from browse_sessions

),

known_sessions as (

    select
        *,
        if(customer_number = 0, 0, 1) as is_known
    from sessions

),

-- One bit for each of 64 customers, but none for unknown shoppers: counting them so takes half the
-- time of count(distinct), and one number as the key less than three.
customer_words as (

    select
        (channel_key * cast(100000000 as bigint) + date_key) * 1000000 + customer_number div 64
            as word_key,
        count(*) as session_count,
        sum(order_count) as order_count,
        bit_or(
            shiftleft(cast(is_known as bigint), cast(customer_number % 64 as int))
        ) as visitor_bits,
        bit_or(
            shiftleft(cast(order_count * is_known as bigint), cast(customer_number % 64 as int))
        ) as buyer_bits
    from known_sessions
    group by
        (channel_key * cast(100000000 as bigint) + date_key) * 1000000 + customer_number div 64

),

visits as (

    select
        word_key div 1000000 as channel_day,
        sum(session_count) as session_count,
        sum(order_count) as transaction_count,
        sum(bit_count(visitor_bits)) as visitor_count,
        sum(bit_count(buyer_bits)) as unique_customers
    from customer_words
    group by word_key div 1000000

),

channel_days as (

    select
        channels.channel_key,
        dates.date_key,
        channels.channel_key * cast(100000000 as bigint) + dates.date_key as channel_day
    from channels
    cross join dates

),

final as (

    select
        channel_days.channel_key,
        channel_days.date_key,
        coalesce(visits.unique_customers, 0) as unique_customers,
        coalesce(visits.transaction_count, 0) as transaction_count,
        coalesce(sales.revenue_cents, 0) / 100.0D as total_revenue,
        if(
            visits.transaction_count > 0,
            sales.revenue_cents / 100.0D / visits.transaction_count,
            cast(null as double)
        ) as avg_order_value,
        coalesce(visits.session_count, 0) as session_count,
        coalesce(visits.visitor_count, 0) as visitor_count,
        if(
            visits.session_count > 0,
            visits.transaction_count / cast(visits.session_count as double),
            cast(null as double)
        ) as conversion_rate,
        if(
            visits.transaction_count > 0,
            sales.returned_lines / cast(visits.transaction_count as double),
            cast(null as double)
        ) as return_rate,
        {{ audit_columns('analytics') }}
    from channel_days
    left join sales
        on
            channel_days.channel_key = sales.channel_key
            and channel_days.date_key = sales.date_key
    left join visits on channel_days.channel_day = visits.channel_day

)

select * from final
