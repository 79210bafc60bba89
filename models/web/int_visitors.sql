-- Those who are known when the world begins: visits of a day must not depend on who joins later.
-- A table of its own: docs/engine_notes.md#small-tables
with

locations as (

    select * from {{ ref('gold_location_dim') }}
    where channel = 'digital'

),

customers as (

    select * from {{ ref('gold_customer_dim') }}
    where version = 1 and customer_key between 1 and {{ var('num_customers') }}

),

served as (

    select
        locations.location_key,
        count(customers.customer_key) as customer_count
    from locations
    left join customers on locations.location_key = customers.fulfillment_location_id
    group by locations.location_key

),

-- A location without customers of its own serves passers-by, as in int_cart_lines.
members as (

    select
        served.location_key,
        customers.customer_key as customer_number,
        customers.visit_frequency_draw
    from served
    inner join customers
        on
            served.location_key = customers.fulfillment_location_id
            or served.customer_count = 0

),

positions as (

    select
        location_key,
        customer_number,
        row_number() over (
            partition by location_key order by visit_frequency_draw desc, customer_number asc
        ) as visitor_position,
        count(*) over (partition by location_key) as visitor_count
    from members

),

final as (

    select
        location_key,
        -- Runs on from location to location: as an int it is half as large as both in one number.
        cast(row_number() over (order by location_key, visitor_position) as int) as visitor_number,
        cast(visitor_count as int) as visitor_count,
        customer_number
    from positions

)

select * from final
