with

carts as (

    select * from {{ ref('gold_cart_fact') }}

),

hours as (

    select
        time_key div 100 as hour,
        count(*) as orders
    from carts
    where is_digital and units_sold > 0
    group by time_key div 100

),

day as (

    select
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(if(hour in (20, 21), orders, 0)), 0) as evening_orders,
        -- Of hours with the same number of orders the first.
        23 - max(orders * 100 + 23 - hour) % 100 as busiest_hour,
        max(orders) as orders_of_busiest_hour
    from hours

),

final as (

    select
        inline(array( -- noqa: AL03
            named_struct(
                'metric_id', 'digital_peak_hour',
                'measured_value', cast(busiest_hour as double),
                'detail', concat(
                    coalesce(cast(orders_of_busiest_hour as string), 'no'),
                    ' orders in that hour of the day'
                )
            ),
            {{ measured_ratio(
                'digital_evening_share',
                'evening_orders',
                'orders',
                'digital orders between 20:00 and 22:00'
            ) }}
        ))
    from day

)

select * from final
