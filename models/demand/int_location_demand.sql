with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

sized as (

    select
        location_key,
        store_format,
        if(channel = 'digital', 'digital', 'store') as channel_group,
        if(channel = 'digital', total_sqft, selling_sqft) as size_sqft
    from locations

),

shares as (

    select
        location_key,
        store_format,
        channel_group,
        size_sqft / sum(size_sqft) over (partition by channel_group) as share_of_group
    from sized

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
        shares.store_format
    from shares
    cross join company

)

select * from final
