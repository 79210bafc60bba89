with

allocation as (

    select * from {{ ref('int_allocation') }}

),

unfolded as (

    select
        location_key,
        product_key,
        -- One column for each field of the struct.
        inline(stock_events) -- noqa: AL03
    from allocation

),

final as (

    select
        location_key,
        product_key,
        date_key,
        event_type,
        quantity,
        reference_date_key
    from unfolded

)

select * from final
