{#-
    Fewer than 13 locations keep ten thirteenths of the ten base stores and fill up with the base
    warehouses, whose keys start at 11: there is always one of each kind.
-#}
{%- set num_locations = var('num_locations') | int -%}
{%- set num_base = [num_locations, 13] | min -%}
{%- set num_base_stores = 10 * num_base // 13 -%}

with

base_locations as (

    select * from {{ ref('base_locations') }}

),

location_pattern as (

    select * from {{ ref('location_pattern') }}

),

location_formats as (

    select * from {{ ref('location_formats') }}

),

cities as (

    select * from {{ ref('cities') }}

),

price_zones as (

    select * from {{ ref('price_zones') }}

),

city_buckets as (

    {{ weighted_buckets('cities', ['city_key']) }}

),

pattern_length as (

    select count(*) as pattern_length
    from location_pattern

),

first_locations as (

    select
        base_locations.location_key,
        base_locations.location_name as base_name,
        base_locations.location_format,
        cities.city_key
    from base_locations
    inner join cities
        on
            base_locations.city = cities.city
            and base_locations.state_code = cities.state_code
    where
        base_locations.location_key <= {{ num_base_stores }}
        or base_locations.location_key between 11 and {{ 10 + num_base - num_base_stores }}

),

added_numbers as (

    select cast(id as int) as location_key
    from range(14, {{ [14, num_locations + 1] | max }})

),

added_keys as (

    select
        added_numbers.location_key,
        pmod(added_numbers.location_key - 14, pattern_length.pattern_length) as pattern_position,
        {{ bucket('location_city', ['added_numbers.location_key']) }} as bucket
    from added_numbers
    cross join pattern_length

),

added_locations as (

    select
        added_keys.location_key,
        cast(null as string) as base_name,
        location_pattern.location_format,
        city_buckets.city_key
    from added_keys
    inner join location_pattern
        on added_keys.pattern_position = location_pattern.pattern_position
    inner join city_buckets
        on added_keys.bucket = city_buckets.bucket

),

locations as (

    select * from first_locations

    union all

    select * from added_locations

),

described as (

    select
        locations.location_key,
        locations.base_name,
        location_formats.name_suffix,
        location_formats.location_type,
        location_formats.store_format,
        location_formats.selling_share_percent,
        price_zones.list_price_percent,
        cities.city,
        cities.state_code,
        cities.state_name,
        cities.region,
        cities.timezone,
        cities.postal_code,
        cities.sales_tax_rate,
        row_number() over (
            partition by cities.city, locations.location_format
            order by locations.location_key
        ) as number_in_city,
        {{ uniform_int(
            'location_sqft',
            ['locations.location_key'],
            'location_formats.total_sqft_low',
            'location_formats.total_sqft_high'
        ) }} as total_sqft,
        -- Within about five miles of the centre; whole ten-thousandths are equal on every engine.
        floor(
            cities.latitude * 10000
            + {{ uniform_int('location_latitude', ['locations.location_key'], -700, 700) }}
        ) / 10000.0D as latitude,
        floor(
            cities.longitude * 10000
            + {{ uniform_int('location_longitude', ['locations.location_key'], -700, 700) }}
        ) / 10000.0D as longitude,
        date_sub(
            {{ first_simulated_day() }},
            {{ uniform_int('location_open_date', ['locations.location_key'], 1095, 9125) }}
        ) as open_date
    from locations
    inner join location_formats
        on locations.location_format = location_formats.location_format
    inner join price_zones
        on coalesce(location_formats.store_format, 'digital') = price_zones.price_zone
    inner join cities
        on locations.city_key = cities.city_key

),

final as (

    select
        concat(
            'LOC_',
            lpad(
                cast(location_key as string),
                greatest(3, length(cast(location_key as string))),
                '0'
            )
        ) as location_id,
        coalesce(
            base_name,
            concat_ws(
                ' ',
                city,
                name_suffix,
                case when number_in_city > 1 then cast(number_in_city as string) end
            )
        ) as location_name,
        location_type,
        store_format,
        city,
        state_code as state_province,
        region,
        'US' as country,
        cast(total_sqft * selling_share_percent div 100 as double) as selling_sqft,
        cast(total_sqft as double) as total_sqft,
        location_key,
        case when location_type = 'store' then 'physical' else 'digital' end as channel,
        concat(state_name, ' District') as district,
        postal_code,
        latitude,
        longitude,
        open_date,
        cast(null as date) as close_date,
        true as is_active,
        timezone,
        state_code as state,
        sales_tax_rate as state_tax_rate,
        list_price_percent,
        {{ audit_columns('store_master') }}
    from described

)

select * from final
