-- A table of its own: docs/engine_notes.md#small-tables
with

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

final as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        customer_key,
        effective_date,
        expiration_date
    from customers
    where version > 1

)

select * from final
