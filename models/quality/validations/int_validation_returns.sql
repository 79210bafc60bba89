with

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

returns as (

    select
        datediff(
            {{ date_of_key('return_restocked_date_key') }}, {{ date_of_key('date_key') }}
        ) as delay_days
    from sales
    where is_return

),

return_delays as (

    select
        count(*) as return_count,
        min(delay_days) as shortest_delay,
        max(delay_days) as longest_delay,
        count(
            if(
                delay_days between {{ var('return_delay_days')[0] }}
                and {{ var('return_delay_days')[1] }},
                null,
                1
            )
        ) as delays_outside
    from returns

),

final as (

    select
        '5f' as validation_id,
        'restock_delay_of_returns' as check_id,
        'Returns restocked too early or too late' as validation_name,
        cast(delays_outside as double) as measured_value,
        0.0D as expected_min,
        0.0D as expected_max,
        concat(
            cast(return_count as string),
            ' returns were available again after ',
            coalesce(cast(shortest_delay as string), '-'),
            ' to ',
            coalesce(cast(longest_delay as string), '-'),
            ' days; allowed are {{ var('return_delay_days')[0] }}',
            ' to {{ var('return_delay_days')[1] }}'
        ) as detail
    from return_delays

)

select * from final
