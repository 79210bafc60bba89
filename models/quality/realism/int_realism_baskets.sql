with

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

carts as (

    select * from {{ ref('gold_cart_fact') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

orders as (

    select
        count(if(not is_digital and units_sold > 0, 1, null)) as store_orders,
        sum(if(is_digital, 0, units_sold)) as store_units,
        count(if(is_digital and units_sold > 0, 1, null)) as digital_orders,
        sum(if(is_digital, units_sold, 0)) as digital_units
    from carts

),

sales as (

    select
        sum(if(channels.is_digital, 0, {{ cents('daily_sales.gross_revenue') }}))
            as store_cents,
        sum(if(channels.is_digital, {{ cents('daily_sales.gross_revenue') }}, 0))
            as digital_cents
    from channels
    inner join daily_sales on channels.channel_key = daily_sales.channel_key

),

final as (

    select
        inline(array( -- noqa: AL03
            {%- for metric_id, kind in [('stores', 'store'), ('digital', 'digital')] %}
                {{ measured_ratio(
                    'units_per_order_' ~ metric_id,
                    'orders.' ~ kind ~ '_units',
                    'orders.' ~ kind ~ '_orders',
                    'units by orders'
                ) }},
                {{ measured_ratio(
                    'order_value_' ~ metric_id,
                    'sales.' ~ kind ~ '_cents',
                    'orders.' ~ kind ~ '_orders',
                    'cents by orders',
                    '100.0D'
                ) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from orders
    cross join sales

)

select * from final
