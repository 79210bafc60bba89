with

cities as (

    select * from {{ ref('cities') }}

),

fulfillment_ranks as (

    select * from {{ ref('fulfillment_ranks') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

city_buckets as (

    {{ weighted_buckets('cities', ['city_key']) }}

),

rank_buckets as (

    {{ weighted_buckets('fulfillment_ranks', ['distance_rank']) }}

),

customers as (

    select
        cast(id as int) as customer_number,
        {{ bucket('customer_city', ['id']) }} as city_bucket,
        {{ bucket('customer_fulfillment_rank', ['id']) }} as fulfillment_rank_bucket,
        {{ uniform('customer_store', ['id']) }} as store_draw,
        {{ uniform('customer_fulfillment', ['id']) }} as fulfillment_draw
    from range(1, {{ var('num_customers') | int + 1 }})

),

located as (

    select
        customers.customer_number,
        customers.store_draw,
        customers.fulfillment_draw,
        cities.city_key,
        cities.city as geo_city,
        cities.region as geo_region,
        rank_buckets.distance_rank
    from customers
    inner join city_buckets
        on customers.city_bucket = city_buckets.bucket
    inner join cities
        on city_buckets.city_key = cities.city_key
    inner join rank_buckets
        on customers.fulfillment_rank_bucket = rank_buckets.bucket

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

-- A degree of longitude is about 0.78 of a degree of latitude in the middle of the US.
city_distances as (

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

-- Locations of one city share its customers evenly.
final as (

    select
        located.customer_number,
        located.geo_city,
        located.geo_region,
        stores.location_key as nearest_store_id,
        shippers.location_key as fulfillment_location_id
    from located
    inner join nearest_cities as store_cities
        on
            located.city_key = store_cities.city_key
            and store_cities.channel = 'physical'
            and store_cities.distance_rank = 1
    inner join city_locations as stores
        on
            store_cities.serving_city_key = stores.city_key
            and stores.channel = 'physical'
            and cast(floor(located.store_draw * store_cities.num_locations) as int)
            = stores.location_index
    inner join nearest_cities as shipping_cities
        on
            located.city_key = shipping_cities.city_key
            and shipping_cities.channel = 'digital'
            and shipping_cities.distance_rank
            = least(located.distance_rank, shipping_cities.num_serving_cities)
    inner join city_locations as shippers
        on
            shipping_cities.serving_city_key = shippers.city_key
            and shippers.channel = 'digital'
            and cast(floor(located.fulfillment_draw * shipping_cities.num_locations) as int)
            = shippers.location_index

)

select * from final
