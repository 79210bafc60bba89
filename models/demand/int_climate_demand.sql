with

locations as (

    select * from {{ ref('gold_location_dim') }}
    where store_format is not null

),

cities as (

    select * from {{ ref('cities') }}

),

climate_normals as (

    select * from {{ ref('climate_normals') }}

),

temperature_response as (

    select * from {{ ref('temperature_response') }}
    where log_demand_per_degree_f <> 0

),

-- Sums are sums of integers: a sum of doubles depends on the order that the engine takes.
city_months as (

    select
        cities.city,
        cities.state_code,
        cities.weight,
        climate_normals.month,
        climate_normals.mean_temperature_f,
        sum({{ millionths('climate_normals.mean_temperature_f') }} * cities.weight)
            over (partition by climate_normals.month)
        / cast(sum(cities.weight) over (partition by climate_normals.month) as double)
        / 1000000 as average_temperature_f
    from cities
    inner join climate_normals
        on
            cities.city = climate_normals.city
            and cities.state_code = climate_normals.state_code

),

responses as (

    select
        city_months.city,
        city_months.state_code,
        city_months.weight,
        city_months.month,
        temperature_response.category_level_3,
        round(
            exp(
                temperature_response.log_demand_per_degree_f
                * (city_months.mean_temperature_f - city_months.average_temperature_f)
            ),
            6
        ) as relative_demand
    from city_months
    cross join temperature_response

),

-- All cities together want in a month what the season asks for.
factors as (

    select
        city,
        state_code,
        month,
        category_level_3,
        round(
            relative_demand
            * 1000000
            * sum(weight) over (partition by category_level_3, month)
            / sum({{ millionths('relative_demand') }} * weight) over (
                partition by category_level_3, month
            ),
            4
        ) as climate_factor
    from responses

),

final as (

    select
        locations.location_key,
        factors.category_level_3,
        factors.month,
        factors.climate_factor
    from locations
    inner join factors
        on locations.city = factors.city and locations.state_province = factors.state_code

)

select * from final
