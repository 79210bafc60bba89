with

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

customer_profiles as (

    select * from {{ ref('int_customer_profiles') }}

),

customer_lives as (

    select * from {{ ref('int_customer_lives') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

category_preferences as (

    select * from {{ ref('int_category_preferences') }}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

),

-- Of appended days, the customers with a new version.
versions as (

    select
        *,
        lead(effective_date) over (
            partition by customer_number order by effective_date
        ) as next_effective_date
    from customer_versions
    {%- if is_appending() %}
    where
        customer_number in (
            select customer_versions.customer_number from customer_versions
            where {{ is_new_date('customer_versions.effective_date') }}
        )
    {%- endif %}

),

size_buckets as (

    {{ weighted_buckets('sizes', ['sort_order', 'size'], group_by=['size_ladder']) }}

),

version_details as (

    select
        profiles.*,
        lives.acquisition_date,
        lives.preferred_channel,
        lives.lifetime_value_cents,
        lives.spend_before_cents,
        category_preferences.category_level_2 as preferred_category,
        tops.size as size_profile_tops,
        bottoms.size as size_profile_bottoms,
        versions.version,
        versions.effective_date,
        versions.next_effective_date,
        customer_segments.segment,
        -- The customer's own draw against the segment's shares: a better segment, a better tier.
        case
            when profiles.loyalty_bucket < customer_segments.platinum_weight then 'platinum'
            when
                profiles.loyalty_bucket
                < customer_segments.platinum_weight + customer_segments.gold_weight
                then 'gold'
            when profiles.loyalty_bucket < 1000 - customer_segments.bronze_weight then 'silver'
            else 'bronze'
        end as loyalty_tier
    from versions
    inner join customer_profiles as profiles on versions.customer_number = profiles.customer_number
    inner join customer_lives as lives on versions.customer_number = lives.customer_number
    inner join customer_segments
        on versions.segment_rank = customer_segments.segment_rank
    inner join category_preferences
        on
            lives.shopper_class = category_preferences.shopper_class
            and {{ bucket('customer_category', ['lives.customer_number']) }}
            = category_preferences.bucket
    inner join size_buckets as tops
        on
            tops.size_ladder = if(profiles.is_male, 'men_alpha', 'women_alpha')
            and {{ quantile_bucket('lives.build_tops') }} = tops.bucket
    inner join size_buckets as bottoms
        on
            bottoms.size_ladder = if(profiles.is_male, 'men_waist', 'women_numeric')
            and {{ quantile_bucket('lives.build_bottoms') }} = bottoms.bucket

),

known as (

    select
        cast(customer_number + (version - 1) * {{ customer_key_step() }} as int) as customer_key,
        customer_id,
        email,
        first_name,
        last_name,
        segment,
        lifetime_value_cents / 100.0D as lifetime_value,
        acquisition_date,
        acquisition_channel,
        preferred_channel,
        preferred_category,
        size_profile_tops,
        size_profile_bottoms,
        geo_region,
        geo_city,
        nearest_store_id,
        loyalty_tier,
        email_subscribe_flag,
        sms_subscribe_flag,
        effective_date,
        coalesce(date_sub(next_effective_date, 1), cast('9999-12-31' as date)) as expiration_date,
        next_effective_date is null as is_current,
        concat(first_name, ' ', last_name) as name,
        gender,
        age_band,
        version,
        fulfillment_location_id,
        visit_frequency_draw,
        spend_before_cents / 100.0D as spend_to_date
    from version_details
    -- New versions and those that they end.
    where
        {{ is_new_date('effective_date') }}
        or {{ is_new_date('next_effective_date') }}

),

first_locations as (

    select
        channel,
        min(location_key) as location_key
    from locations
    group by channel

),

-- Who buys without a name is one member, and no customer.
unknown_shopper as (

    select
        0 as customer_key,
        'CUST_UNKNOWN' as customer_id,
        'unknown' as email,
        'unknown' as first_name,
        'unknown' as last_name,
        'unknown' as segment,
        0.0D as lifetime_value,
        cast('1900-01-01' as date) as acquisition_date,
        'unknown' as acquisition_channel,
        'unknown' as preferred_channel,
        'unknown' as preferred_category,
        'unknown' as size_profile_tops,
        'unknown' as size_profile_bottoms,
        'unknown' as geo_region,
        'unknown' as geo_city,
        stores.location_key as nearest_store_id,
        'unknown' as loyalty_tier,
        false as email_subscribe_flag,
        false as sms_subscribe_flag,
        cast('1900-01-01' as date) as effective_date,
        cast('9999-12-31' as date) as expiration_date,
        true as is_current,
        'unknown' as name,
        'unknown' as gender,
        'unknown' as age_band,
        1 as version,
        shippers.location_key as fulfillment_location_id,
        0.0D as visit_frequency_draw,
        0.0D as spend_to_date
    from first_locations as stores
    inner join first_locations as shippers
        on stores.channel = 'physical' and shippers.channel = 'digital'

),

members as (

    select * from known

    union all

    select * from unknown_shopper
    where {{ is_new_date('effective_date') }}

),

final as (

    select
        *,
        {{ audit_columns('customer_relationship_management') }}
    from members

)

select * from final
