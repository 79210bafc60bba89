with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}
    where calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}

),

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}

),

carts as (

    select * from {{ ref('int_cart_outcomes') }}

),

browse_sessions as (

    select * from {{ ref('int_browse_sessions') }}

),

sales as (

    select
        channel_key,
        date_key,
        count(distinct if(is_return, null, {{ customer_number('customer_key') }}))
            as unique_customers,
        count(distinct if(is_return, null, transaction_id)) as transaction_count,
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
        {{ customer_number('customer_key') }} as customer_number
    from carts

    union all

    select
        channel_key,
        date_key,
        customer_number
    from browse_sessions

),

visits as (

    select
        channel_key,
        date_key,
        count(*) as session_count,
        count(distinct customer_number) as visitor_count
    from sessions
    group by channel_key, date_key

),

channel_days as (

    select
        channels.channel_key,
        dates.date_key
    from channels
    cross join dates

),

final as (

    select
        channel_days.channel_key,
        channel_days.date_key,
        coalesce(sales.unique_customers, 0) as unique_customers,
        coalesce(sales.transaction_count, 0) as transaction_count,
        coalesce(sales.revenue_cents, 0) / 100.0D as total_revenue,
        if(
            sales.transaction_count > 0,
            sales.revenue_cents / 100.0D / sales.transaction_count,
            cast(null as double)
        ) as avg_order_value,
        coalesce(visits.session_count, 0) as session_count,
        coalesce(visits.visitor_count, 0) as visitor_count,
        if(
            visits.session_count > 0,
            coalesce(sales.transaction_count, 0) / cast(visits.session_count as double),
            cast(null as double)
        ) as conversion_rate,
        if(
            sales.transaction_count > 0,
            sales.returned_lines / cast(sales.transaction_count as double),
            cast(null as double)
        ) as return_rate,
        {{ audit_columns('analytics') }}
    from channel_days
    left join sales
        on
            channel_days.channel_key = sales.channel_key
            and channel_days.date_key = sales.date_key
    left join visits
        on
            channel_days.channel_key = visits.channel_key
            and channel_days.date_key = visits.date_key

)

select * from final
