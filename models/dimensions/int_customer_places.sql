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

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

new_customers as (

    select * from {{ ref('int_new_customers') }}
    where {{ is_new_date('calendar_date') }}

),

-- Demand in whole millionths of all of the channel group: sums of them are exact. A group that
-- sells nothing shares its customers evenly.
group_demand as (

    select
        location_key,
        channel_group,
        {{ millionths('average_daily_units') }} as units,
        sum({{ millionths('average_daily_units') }}) over (partition by channel_group)
            as units_of_group
    from location_demand

),

location_cities as (

    select
        group_demand.location_key,
        group_demand.channel_group,
        cities.city_key,
        cities.latitude,
        cities.longitude,
        greatest(
            coalesce(
                cast(
                    round(
                        1000000.0D * group_demand.units / nullif(group_demand.units_of_group, 0)
                    ) as bigint
                ),
                1
            ),
            1
        ) as demand_weight
    from group_demand
    inner join locations on group_demand.location_key = locations.location_key
    inner join cities
        on
            locations.city = cities.city
            and locations.state_province = cities.state_code

),

serving_cities as (

    select distinct
        channel_group,
        city_key,
        latitude,
        longitude
    from location_cities

),

-- A degree of longitude is about 0.78 of a degree of latitude in the middle of the US.
city_distances as (

    select
        cities.city_key,
        serving_cities.channel_group,
        serving_cities.city_key as serving_city_key,
        (cities.latitude - serving_cities.latitude)
        * (cities.latitude - serving_cities.latitude)
        + (cities.longitude - serving_cities.longitude) * 0.78D
        * (cities.longitude - serving_cities.longitude) * 0.78D as squared_distance
    from cities
    cross join serving_cities

),

ranked_cities as (

    select
        city_key,
        channel_group,
        serving_city_key,
        row_number() over (
            partition by city_key, channel_group
            order by
                squared_distance,
                if(city_key = serving_city_key, 0, 1),
                serving_city_key
        ) as distance_rank
    from city_distances

),

-- Where customers of a store live: its city, however few live there, and those it is nearest to.
catchments as (

    select
        ranked_cities.serving_city_key,
        cities.city_key,
        if(
            cities.city_key = ranked_cities.serving_city_key,
            greatest(cities.weight, 1),
            cities.weight
        ) as weight
    from ranked_cities
    inner join cities on ranked_cities.city_key = cities.city_key
    where ranked_cities.channel_group = 'store' and ranked_cities.distance_rank = 1

),

-- Ranks beyond the last of the seed have a weight of 50, as in the seed's description.
shippers as (

    select
        ranked_cities.city_key as store_city_key,
        location_cities.location_key,
        location_cities.demand_weight * coalesce(fulfillment_ranks.weight, 50) as weight
    from ranked_cities
    inner join location_cities
        on
            ranked_cities.channel_group = location_cities.channel_group
            and ranked_cities.serving_city_key = location_cities.city_key
    left join fulfillment_ranks
        on ranked_cities.distance_rank = fulfillment_ranks.distance_rank
    where ranked_cities.channel_group = 'digital'

),

stores as (

    select * from location_cities
    where channel_group = 'store'

),

store_buckets as (

    {{ share_buckets('stores', ['location_key'], weight='demand_weight') }}

),

city_buckets as (

    {{ share_buckets('catchments', ['city_key'], group_by=['serving_city_key']) }}

),

shipper_buckets as (

    {{ share_buckets('shippers', ['location_key'], group_by=['store_city_key']) }}

),

joining as (

    select
        calendar_date as joined_date,
        location_key as first_location_key,
        explode(sequence(first_number, first_number + new_customers - 1)) as customer_number
    from new_customers

),

roster as (

    select
        cast(id as int) as customer_number,
        cast('1900-01-01' as date) as joined_date,
        cast(null as int) as first_location_key
    from range(1, {{ var('num_customers') | int + 1 }})
    where {{ is_new_date("cast('1900-01-01' as date)") }}

    union all

    select
        customer_number,
        joined_date,
        first_location_key
    from joining

),

customers as (

    select
        *,
        {{ uniform_int('customer_store', ['customer_number'], 0, 9999) }} as store_bucket,
        {{ uniform_int('customer_city', ['customer_number'], 0, 9999) }} as city_bucket,
        {{ uniform_int('customer_fulfillment', ['customer_number'], 0, 9999) }} as shipper_bucket
    from roster

),

-- The small side comes first from here on, so that customers pass through in batches:
-- docs/engine_notes.md#order-of-joins
at_home as (

    select
        customers.*,
        coalesce(stores.location_key, store_buckets.location_key) as nearest_store_id
    from store_buckets
    inner join customers on store_buckets.bucket = customers.store_bucket
    left join stores on customers.first_location_key = stores.location_key

),

near_city as (

    select
        at_home.*,
        stores.city_key as store_city_key
    from stores
    inner join at_home on stores.location_key = at_home.nearest_store_id

),

in_city as (

    select
        near_city.*,
        city_buckets.city_key
    from city_buckets
    inner join near_city
        on
            city_buckets.serving_city_key = near_city.store_city_key
            and city_buckets.bucket = near_city.city_bucket

),

final as (

    select
        in_city.customer_number,
        in_city.joined_date,
        in_city.first_location_key,
        in_city.nearest_store_id,
        if(
            in_city.first_location_key = in_city.nearest_store_id,
            shipper_buckets.location_key,
            coalesce(in_city.first_location_key, shipper_buckets.location_key)
        ) as fulfillment_location_id,
        in_city.city_key
    from shipper_buckets
    inner join in_city
        on
            shipper_buckets.store_city_key = in_city.store_city_key
            and shipper_buckets.bucket = in_city.shipper_bucket

)

select * from final
