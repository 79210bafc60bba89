with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

place_shape as (

    select max(if(parameter = 'productivity_spread', parameter_value, null)) as productivity_spread
    from {{ ref('place_shape') }}

),

sized as (

    select
        locations.location_key,
        locations.store_format,
        if(locations.channel = 'digital', 'digital', 'store') as channel_group,
        if(locations.channel = 'digital', locations.total_sqft, locations.selling_sqft)
            as size_sqft,
        if(
            locations.channel = 'digital',
            1.0D,
            {{
                drawn_factor(
                    'store_productivity', ['locations.location_key'], 'place_shape.productivity_spread'
                )
            }}
        ) as productivity_factor
    from locations
    cross join place_shape

),

-- Whole square feet, so that the sum is exact on every engine.
drawn as (

    select
        *,
        round(size_sqft * productivity_factor) as productive_sqft
    from sized

),

shares as (

    select
        location_key,
        store_format,
        channel_group,
        productivity_factor,
        productive_sqft / sum(productive_sqft) over (partition by channel_group) as share_of_group
    from drawn

),

company as (

    select
        cast({{ var('demand_intensity') }} as double)
        * (select count(*) from products)
        * (select count(*) from locations) as daily_units

),

final as (

    select
        shares.location_key,
        shares.channel_group,
        company.daily_units
        * if(
            shares.channel_group = 'digital',
            cast({{ var('digital_share') }} as double),
            1 - cast({{ var('digital_share') }} as double)
        )
        * shares.share_of_group as average_daily_units,
        shares.store_format,
        shares.productivity_factor,
        coalesce(shares.store_format, 'digital') as price_zone
    from shares
    cross join company

)

select * from final
