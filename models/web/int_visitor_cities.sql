-- A table of its own: docs/engine_notes.md#small-tables
with

cities as (

    select * from {{ ref('cities') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}
    where channel = 'digital'

),

places as (

    select * from {{ ref('int_customer_places') }}
    where joined_date = cast('1900-01-01' as date)

),

location_keys as (

    select
        city,
        state_code,
        min(city_key) as city_key
    from cities
    group by city, state_code

),

customers as (

    select
        fulfillment_location_id as location_key,
        city_key,
        count(*) as weight
    from places
    group by fulfillment_location_id, city_key

),

-- A location without customers is visited from its own city.
weights as (

    select
        location_key,
        city_key,
        weight
    from customers

    union all

    select
        locations.location_key,
        location_keys.city_key,
        1 as weight
    from locations
    inner join location_keys
        on
            locations.city = location_keys.city
            and locations.state_province = location_keys.state_code
    left anti join customers on locations.location_key = customers.location_key

),

city_buckets as (

    {{ share_buckets('weights', ['city_key'], group_by=['location_key'], buckets=1000) }}

),

final as (

    select
        location_key * 1000 + bucket as visitor_city_key,
        city_key
    from city_buckets

)

select * from final
