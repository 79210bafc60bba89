with

rollup as (

    {{ sales_rollup('date_key', 'date_key', is_new('date_key')) }}

),

final as (

    select
        *,
        {{ audit_columns() }}
    from rollup

)

select * from final
