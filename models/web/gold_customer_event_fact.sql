with

parts as (

    select * from {{ ref('int_session_parts') }}
    where {{ is_new('date_key') }}

),

steps as (

    select * from {{ ref('int_session_steps') }}

),

profiles as (

    select * from {{ ref('int_session_profiles') }}

),

cities as (

    select * from {{ ref('cities') }}

),

product_pages as (

    select * from {{ ref('int_product_pages') }}

),

stepped as (

    select
        parts.session_key,
        parts.cart_number,
        if(parts.is_signed_in or steps.is_checkout, parts.customer_key, 0) as customer_key,
        parts.visitor_number,
        parts.city_key,
        parts.channel_key,
        parts.date_key,
        parts.day_number,
        parts.profile_key,
        parts.session_second,
        parts.slot_count,
        steps.event_type,
        steps.event_category,
        steps.event_action,
        steps.bounce_flag,
        if(steps.carries_value, parts.value_cents, cast(0 as bigint)) as value_cents,
        parts.first_slot + steps.step as slot,
        case
            when steps.product_number = 0 then cast(steps.page_number as bigint)
            when parts.own_product_key is not null
                then {{ product_page_key(
                    'parts.own_product_key',
                    'steps.page_number + parts.script_bucket % steps.page_variants * 100'
                ) }}
            else
                {{ popular_page_key(
                    'parts.date_key div 100',
                    uniform_int(
                        'viewed_product', ['parts.session_key', 'steps.product_number'], 0, 9999
                    ),
                    'steps.page_number'
                ) }}
        end as page_key
    from steps
    inner join parts on steps.script_key = parts.script_key

),

-- Small sides come first, and what has most text last: docs/engine_notes.md#order-of-joins
located as (

    select
        stepped.*,
        cities.city as geo_city,
        cities.region as geo_region
    from cities
    inner join stepped on cities.city_key = stepped.city_key

),

paged as (

    select
        located.*,
        product_pages.product_key,
        product_pages.event_label,
        product_pages.search_term,
        product_pages.page_url
    from product_pages
    inner join located on product_pages.page_key = located.page_key

),

paced as (

    select
        paged.*,
        profiles.pace_seconds,
        -- A session that would cross midnight starts earlier.
        least(paged.session_second, 86400 - profiles.pace_seconds * paged.slot_count)
        + paged.slot * profiles.pace_seconds as slot_second,
        -- A step takes place somewhere in its slot of time: the order of slots is that of time.
        {{ uniform_int(
            'event_second', ['paged.session_key', 'paged.slot'], 0, 'profiles.pace_seconds - 1'
        ) }} as second_in_slot,
        profiles.referrer_url,
        profiles.utm_source,
        profiles.utm_medium,
        profiles.utm_campaign,
        profiles.device_type,
        profiles.browser,
        profiles.operating_system
    from profiles
    inner join paged on profiles.profile_key = paged.profile_key

),

timed as (

    select
        *,
        slot_second + second_in_slot as second_of_day
    from paced

),

final as (

    select
        session_key * 100 + slot as event_id,
        {{ session_id('session_key', 'cart_number') }} as session_id,
        customer_key,
        product_key,
        date_key,
        cast(second_of_day div 3600 * 100 + second_of_day % 3600 div 900 * 15 as int) as time_key,
        channel_key,
        cast(null as int) as location_key,
        event_type,
        event_category,
        event_action,
        event_label,
        value_cents / 100.0D as event_value,
        cast(pace_seconds - second_in_slot as int) as time_on_page_seconds,
        bounce_flag,
        event_type = 'checkout_complete' as conversion_flag,
        page_url,
        referrer_url,
        search_term,
        timestamp_seconds(cast(day_number as bigint) * 86400 + second_of_day) as event_timestamp,
        utm_source,
        utm_medium,
        utm_campaign,
        device_type,
        browser,
        operating_system,
        geo_city,
        geo_region,
        'US' as geo_country,
        concat('VIS_', cast(visitor_number as string)) as visitor_id,
        {{ audit_columns('clickstream') }}
    from timed

)

select * from final
