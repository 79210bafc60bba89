with

allocation as (

    select * from {{ ref('int_allocation') }}

),

final as (

    select
        location_key,
        product_key,
        date_key,
        event_type,
        quantity,
        reference_date_key
    from allocation
    where record_kind = 'stock_event' and {{ is_new('date_key') }}

)

select * from final
