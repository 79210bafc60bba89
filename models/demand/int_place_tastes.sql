with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

format_demand as (

    select * from {{ ref('format_demand') }}

),

shape as (

    select max(if(parameter = 'taste_offset', parameter_value, null)) as taste_offset
    from {{ ref('demand_shape') }}

),

formats as (

    select
        products.product_key,
        locations.location_key,
        coalesce(format_demand.demand_factor, 1.0D) as format_factor
    from products
    cross join locations
    left join format_demand
        on
            locations.store_format = format_demand.store_format
            and products.category_level_1 = format_demand.category_level_1
            and products.price_tier = format_demand.price_tier

),

final as (

    select
        formats.product_key,
        formats.location_key,
        formats.format_factor,
        -- Between 2/3 and 2 at the default offset.
        1
        / (
            {{ uniform('local_taste', ['formats.product_key', 'formats.location_key']) }}
            + shape.taste_offset
        ) as local_factor
    from formats
    cross join shape

)

select * from final
