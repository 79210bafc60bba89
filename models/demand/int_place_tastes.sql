with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

colorways as (

    -- The sizes of a colourway are liked alike.
    select * from {{ ref('gold_product_dim') }}
    where size_order = 1

),

format_demand as (

    select * from {{ ref('format_demand') }}

),

shape as (

    select max(if(parameter = 'taste_offset', parameter_value, null)) as taste_offset
    from {{ ref('demand_shape') }}

),

place_shape as (

    select
        max(if(parameter = 'category_taste_spread', parameter_value, null)) as category_spread,
        max(if(parameter = 'brand_taste_spread', parameter_value, null)) as brand_spread
    from {{ ref('place_shape') }}

),

regions as (

    select distinct region from locations

),

region_categories as (

    select
        regions.region,
        taxonomy.category_level_3,
        {{ drawn_factor(
            'region_category',
            ['crc32(regions.region)', 'crc32(taxonomy.category_level_3)'],
            'place_shape.category_spread'
        ) }} as category_factor
    from regions
    cross join {{ ref('product_taxonomy') }} as taxonomy
    cross join place_shape

),

region_brands as (

    select
        regions.region,
        brands.brand,
        {{ drawn_factor(
            'region_brand', ['crc32(regions.region)', 'crc32(brands.brand)'],
            'place_shape.brand_spread'
        ) }} as brand_factor
    from regions
    cross join {{ ref('brands') }} as brands
    cross join place_shape

),

region_colorways as (

    select
        colorways.colorway_key,
        region_brands.region,
        round(region_categories.category_factor * region_brands.brand_factor, 6) as region_factor
    from colorways
    inner join region_brands on colorways.brand = region_brands.brand
    inner join region_categories
        on
            colorways.category_level_3 = region_categories.category_level_3
            and region_brands.region = region_categories.region

),

formats as (

    select
        colorways.colorway_key,
        locations.location_key,
        -- Warehouses serve the whole country.
        if(locations.store_format is null, 1.0D, region_colorways.region_factor) as region_factor,
        coalesce(format_demand.demand_factor, 1.0D) as format_factor
    from colorways
    cross join locations
    inner join region_colorways
        on
            colorways.colorway_key = region_colorways.colorway_key
            and locations.region = region_colorways.region
    left join format_demand
        on
            locations.store_format = format_demand.store_format
            and colorways.category_level_1 = format_demand.category_level_1
            and colorways.price_tier = format_demand.price_tier

),

final as (

    select
        formats.colorway_key,
        formats.location_key,
        formats.format_factor,
        -- Between 2/3 and 2 at the default offset.
        1
        / (
            {{ uniform('local_taste', ['formats.colorway_key', 'formats.location_key']) }}
            + shape.taste_offset
        ) as local_factor,
        formats.region_factor
    from formats
    cross join shape

)

select * from final
