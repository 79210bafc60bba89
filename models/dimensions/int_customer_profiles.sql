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

product_taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

customer_places as (

    select * from {{ ref('int_customer_places') }}

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

category_buckets as (

    {{ weighted_buckets('product_taxonomy', ['category_level_2', 'category_level_3']) }}

),

size_buckets as (

    {{ weighted_buckets('sizes', ['size'], group_by=['size_ladder']) }}

),

customers as (

    select
        cast(id as int) as customer_number,
        {{ bucket('customer_segment', ['id']) }} as segment_bucket,
        {{ bucket('customer_first_name', ['id']) }} as first_name_bucket,
        {{ bucket('customer_last_name', ['id']) }} as last_name_bucket,
        {{ bucket('customer_category', ['id']) }} as category_bucket,
        {{ bucket('customer_size_tops', ['id']) }} as size_tops_bucket,
        {{ bucket('customer_size_bottoms', ['id']) }} as size_bottoms_bucket,
        {{ bucket('customer_loyalty_tier', ['id']) }} as loyalty_bucket,
        {%- for attribute in attributes %}
            {{ bucket('customer_' ~ attribute, ['id']) }} as {{ attribute }}_bucket,
        {%- endfor %}
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
        category_buckets.category_level_2 as preferred_category,
        tops.size as size_profile_tops,
        bottoms.size as size_profile_bottoms
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

final as (

    select
        named.customer_number,
        named.first_segment,
        named.acquisition_date,
        date_add(named.acquisition_date, named.matures_after_days) as maturity_date,
        concat('CUST_', lpad(cast(named.customer_number as string), 8, '0')) as customer_id,
        concat(
            lower(named.first_name),
            '.',
            lower(named.last_name),
            cast(named.customer_number as string),
            '@',
            named.email_domain
        ) as email,
        named.first_name,
        named.last_name,
        named.acquisition_channel,
        named.preferred_channel,
        named.preferred_category,
        named.size_profile_tops,
        named.size_profile_bottoms,
        customer_places.geo_region,
        customer_places.geo_city,
        customer_places.nearest_store_id,
        customer_places.fulfillment_location_id,
        named.email_subscribe = 'yes' as email_subscribe_flag,
        named.sms_subscribe = 'yes' as sms_subscribe_flag,
        named.gender,
        named.age_band,
        named.loyalty_bucket,
        named.lifetime_value_draw,
        named.visit_frequency_draw
    from named
    inner join customer_places on named.customer_number = customer_places.customer_number

)

select * from final
