with

rollup as (

    {{ sales_rollup(
        'week_start_date_key', date_key(week_start('calendar_date')), is_in_open('week', 'date_key')
    ) }}

),

final as (

    select
        *,
        {{ audit_columns() }}
    from rollup

)

select * from final
