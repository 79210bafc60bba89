with

rollup as (

    {{ sales_rollup(
        'month_start_date_key', 'year * 10000 + month * 100 + 1', is_in_open('month', 'date_key')
    ) }}

),

final as (

    select
        *,
        {{ audit_columns() }}
    from rollup

)

select * from final
