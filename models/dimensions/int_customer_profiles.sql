{%- set attributes = [
    'acquisition_channel',
    'preferred_channel',
    'gender',
    'age_band',
    'email_domain',
    'email_subscribe',
    'sms_subscribe',
] -%}

with

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

customer_attributes as (

    select * from {{ ref('customer_attributes') }}

),

first_names as (

    select * from {{ ref('first_names') }}

),

last_names as (

    select * from {{ ref('last_names') }}

),

cities as (

    select * from {{ ref('cities') }}

),

product_taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

fulfillment_ranks as (

    select * from {{ ref('fulfillment_ranks') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

segment_buckets as (

    {{ weighted_buckets('customer_segments', ['segment']) }}

),

attribute_buckets as (

    {{ weighted_buckets('customer_attributes', ['value'], group_by=['attribute']) }}

),

first_name_buckets as (

    {{ weighted_buckets('first_names', ['first_name'], group_by=['gender']) }}

),

last_name_buckets as (

    {{ weighted_buckets('last_names', ['last_name']) }}

),

city_buckets as (

    {{ weighted_buckets('cities', ['city_key']) }}

),

category_buckets as (

    {{ weighted_buckets('product_taxonomy', ['category_level_2', 'category_level_3']) }}

),

size_buckets as (

    {{ weighted_buckets('sizes', ['size'], group_by=['size_ladder']) }}

),

rank_buckets as (

    {{ weighted_buckets('fulfillment_ranks', ['distance_rank']) }}

),

customers as (

    select
        cast(id as int) as customer_number,
        {{ bucket('customer_segment', ['id']) }} as segment_bucket,
        {{ bucket('customer_first_name', ['id']) }} as first_name_bucket,
        {{ bucket('customer_last_name', ['id']) }} as last_name_bucket,
        {{ bucket('customer_city', ['id']) }} as city_bucket,
        {{ bucket('customer_category', ['id']) }} as category_bucket,
        {{ bucket('customer_size_tops', ['id']) }} as size_tops_bucket,
        {{ bucket('customer_size_bottoms', ['id']) }} as size_bottoms_bucket,
        {{ bucket('customer_fulfillment_rank', ['id']) }} as fulfillment_rank_bucket,
        {{ bucket('customer_loyalty_tier', ['id']) }} as loyalty_bucket,
        {%- for attribute in attributes %}
            {{ bucket('customer_' ~ attribute, ['id']) }} as {{ attribute }}_bucket,
        {%- endfor %}
        {{ uniform('customer_store', ['id']) }} as store_draw,
        {{ uniform('customer_fulfillment', ['id']) }} as fulfillment_draw,
        {{ uniform('customer_lifetime_value', ['id']) }} as lifetime_value_draw,
        {{ uniform('customer_visit_frequency', ['id']) }} as visit_frequency_draw
    from range(1, {{ var('num_customers') | int + 1 }})

),

described as (

    select
        customers.*,
        segment_buckets.segment as first_segment,
        {%- for attribute in attributes %}
            {{ attribute }}.value as {{ attribute }},
        {%- endfor %}
        last_name_buckets.last_name,
        city_buckets.city_key,
        cities.city,
        cities.region,
        category_buckets.category_level_2 as preferred_category,
        tops.size as size_profile_tops,
        bottoms.size as size_profile_bottoms,
        rank_buckets.distance_rank
    from customers
    inner join segment_buckets
        on customers.segment_bucket = segment_buckets.bucket
    {%- for attribute in attributes %}
        inner join attribute_buckets as {{ attribute }}
            on
                {{ attribute }}.attribute = '{{ attribute }}'
                and customers.{{ attribute }}_bucket = {{ attribute }}.bucket
    {%- endfor %}
    inner join last_name_buckets
        on customers.last_name_bucket = last_name_buckets.bucket
    inner join city_buckets
        on customers.city_bucket = city_buckets.bucket
    inner join cities
        on city_buckets.city_key = cities.city_key
    inner join category_buckets
        on customers.category_bucket = category_buckets.bucket
    inner join size_buckets as tops
        on
            tops.size_ladder = 'alpha'
            and customers.size_tops_bucket = tops.bucket
    inner join size_buckets as bottoms
        on
            bottoms.size_ladder = 'waist'
            and customers.size_bottoms_bucket = bottoms.bucket
    inner join rank_buckets
        on customers.fulfillment_rank_bucket = rank_buckets.bucket

),

named as (

    select
        described.*,
        first_name_buckets.first_name,
        date_sub(
            {{ first_simulated_day() }},
            {{ uniform_int(
                'customer_tenure',
                ['described.customer_number'],
                'customer_segments.tenure_days_low',
                'customer_segments.tenure_days_high'
            ) }}
        ) as acquisition_date,
        {{ uniform_int(
            'customer_maturity',
            ['described.customer_number'],
            'customer_segments.matures_after_days_low',
            'customer_segments.matures_after_days_high'
        ) }} as matures_after_days
    from described
    inner join customer_segments
        on described.first_segment = customer_segments.segment
    inner join first_name_buckets
        on
            described.first_name_bucket = first_name_buckets.bucket
            -- An undisclosed gender goes with any name: even draws take one list, odd the other.
            and first_name_buckets.gender = case
                when described.gender != 'undisclosed' then described.gender
                when described.first_name_bucket % 2 = 0 then 'female'
                else 'male'
            end

),

city_locations as (

    select
        locations.location_key,
        locations.channel,
        cities.city_key,
        cities.latitude,
        cities.longitude,
        row_number() over (
            partition by cities.city_key, locations.channel order by locations.location_key
        ) - 1 as location_index
    from locations
    inner join cities
        on
            locations.city = cities.city
            and locations.state_province = cities.state_code

),

serving_cities as (

    select
        channel,
        city_key,
        latitude,
        longitude,
        count(*) as num_locations
    from city_locations
    group by channel, city_key, latitude, longitude

),

city_distances as (

    -- A degree of longitude is about 0.78 of a degree of latitude in the middle of the US.
    select
        cities.city_key,
        serving_cities.channel,
        serving_cities.city_key as serving_city_key,
        serving_cities.num_locations,
        (cities.latitude - serving_cities.latitude)
        * (cities.latitude - serving_cities.latitude)
        + (cities.longitude - serving_cities.longitude) * 0.78D
        * (cities.longitude - serving_cities.longitude) * 0.78D as squared_distance
    from cities
    cross join serving_cities

),

nearest_cities as (

    select
        city_key,
        channel,
        serving_city_key,
        num_locations,
        row_number() over (
            partition by city_key, channel order by squared_distance, serving_city_key
        ) as distance_rank,
        count(*) over (partition by city_key, channel) as num_serving_cities
    from city_distances

),

placed as (

    -- Locations of one city share its customers evenly.
    select
        named.*,
        stores.location_key as nearest_store_id,
        shippers.location_key as fulfillment_location_id
    from named
    inner join nearest_cities as store_cities
        on
            named.city_key = store_cities.city_key
            and store_cities.channel = 'physical'
            and store_cities.distance_rank = 1
    inner join city_locations as stores
        on
            store_cities.serving_city_key = stores.city_key
            and stores.channel = 'physical'
            and cast(floor(named.store_draw * store_cities.num_locations) as int)
            = stores.location_index
    inner join nearest_cities as shipping_cities
        on
            named.city_key = shipping_cities.city_key
            and shipping_cities.channel = 'digital'
            and shipping_cities.distance_rank
            = least(named.distance_rank, shipping_cities.num_serving_cities)
    inner join city_locations as shippers
        on
            shipping_cities.serving_city_key = shippers.city_key
            and shippers.channel = 'digital'
            and cast(floor(named.fulfillment_draw * shipping_cities.num_locations) as int)
            = shippers.location_index

),

final as (

    select
        customer_number,
        first_segment,
        acquisition_date,
        date_add(acquisition_date, matures_after_days) as maturity_date,
        concat('CUST_', lpad(cast(customer_number as string), 8, '0')) as customer_id,
        concat(
            lower(first_name),
            '.',
            lower(last_name),
            cast(customer_number as string),
            '@',
            email_domain
        ) as email,
        first_name,
        last_name,
        acquisition_channel,
        preferred_channel,
        preferred_category,
        size_profile_tops,
        size_profile_bottoms,
        region as geo_region,
        city as geo_city,
        nearest_store_id,
        fulfillment_location_id,
        email_subscribe = 'yes' as email_subscribe_flag,
        sms_subscribe = 'yes' as sms_subscribe_flag,
        gender,
        age_band,
        loyalty_bucket,
        lifetime_value_draw,
        visit_frequency_draw
    from placed

)

select * from final
