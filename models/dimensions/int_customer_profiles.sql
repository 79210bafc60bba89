{%- set attributes = [
    'gender',
    'age_band',
    'email_domain',
    'email_subscribe',
    'sms_subscribe',
] -%}
{%- set draws = [
    'age',
    'leave',
    'build',
    'tops',
    'bottoms',
    'shoes',
    'basket',
    'preference',
    'segment',
    'phone',
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

taste_classes as (

    select * from {{ ref('taste_classes') }}

),

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

customer_places as (

    select * from {{ ref('int_customer_places') }}
    where {{ is_new_date('joined_date') }}

),

attribute_buckets as (

    {{ weighted_buckets('customer_attributes', ['value'], group_by=['attribute']) }}

),

acquisition_channels as (

    select * from customer_attributes
    where attribute = 'acquisition_channel'

),

-- Who joins online during the simulation was not won in a store.
acquisition_channel_buckets as (

    select
        false as joined_online,
        value,
        bucket
    from ({{ share_buckets('acquisition_channels', ['value'], buckets=1000) }})

    union all

    select
        true as joined_online,
        value,
        bucket
    from (
        {{ share_buckets(
            'acquisition_channels', ['value'], weight="if(value = 'store', 0, weight)", buckets=1000
        ) }}
    )

),

first_name_buckets as (

    {{ weighted_buckets('first_names', ['first_name'], group_by=['gender']) }}

),

last_name_buckets as (

    {{ weighted_buckets('last_names', ['last_name']) }}

),

taste_buckets as (

    select
        false as is_male,
        taste_number,
        bucket
    from ({{ weighted_buckets('taste_classes', ['taste_number'], weight='female_weight') }})

    union all

    select
        true as is_male,
        taste_number,
        bucket
    from ({{ weighted_buckets('taste_classes', ['taste_number'], weight='male_weight') }})

),

gender_shares as (

    select
        coalesce(
            cast(sum(if(value = 'male', weight, 0)) as double)
            / nullif(sum(if(value in ('female', 'male'), weight, 0)), 0),
            0.5D
        ) as male_share
    from customer_attributes
    where attribute = 'gender'

),

maturity as (

    select
        max(matures_after_days_low) as days_low,
        max(matures_after_days_high) as days_high
    from customer_segments

),

customers as (

    select
        customer_places.*,
        location_demand.channel_group = 'digital' as is_digital_join,
        {{ bucket('customer_first_name', ['customer_number']) }} as first_name_bucket,
        {{ bucket('customer_last_name', ['customer_number']) }} as last_name_bucket,
        {{ bucket('customer_taste', ['customer_number']) }} as taste_bucket,
        {{ bucket('customer_loyalty_tier', ['customer_number']) }} as loyalty_bucket,
        {{ bucket('customer_acquisition_channel', ['customer_number']) }}
            as acquisition_channel_bucket,
        {%- for attribute in attributes %}
            {{ bucket('customer_' ~ attribute, ['customer_number']) }} as {{ attribute }}_bucket,
        {%- endfor %}
        {{ uniform('customer_true_gender', ['customer_number']) }} as true_gender_draw,
        {{ uniform('customer_visit_frequency', ['customer_number']) }} as visit_frequency_draw,
        {%- for draw in draws %}
            {{ uniform('customer_' ~ draw, ['customer_number']) }} as {{ draw }}_draw,
        {%- endfor %}
        {{ uniform_int(
            'customer_maturity', ['customer_number'], 'maturity.days_low', 'maturity.days_high'
        ) }} as matures_after_days
    from customer_places
    left join location_demand
        on customer_places.first_location_key = location_demand.location_key
    cross join maturity

),

described as (

    select
        customers.*,
        {%- for attribute in attributes %}
            {{ attribute }}.value as {{ attribute }},
        {%- endfor %}
        acquisition_channel_buckets.value as drawn_acquisition_channel,
        last_name_buckets.last_name,
        -- Who does not say it has a gender as well.
        case gender.value
            when 'female' then false
            when 'male' then true
            else customers.true_gender_draw < gender_shares.male_share
        end as is_male
    from customers
    cross join gender_shares
    {%- for attribute in attributes %}
        inner join attribute_buckets as {{ attribute }}
            on
                {{ attribute }}.attribute = '{{ attribute }}'
                and customers.{{ attribute }}_bucket = {{ attribute }}.bucket
    {%- endfor %}
    inner join acquisition_channel_buckets
        on
            customers.acquisition_channel_bucket = acquisition_channel_buckets.bucket
            and coalesce(customers.is_digital_join, false)
            = acquisition_channel_buckets.joined_online
    inner join last_name_buckets
        on customers.last_name_bucket = last_name_buckets.bucket

),

final as (

    select
        described.customer_number,
        described.joined_date,
        described.is_digital_join,
        concat('CUST_', lpad(cast(described.customer_number as string), 8, '0')) as customer_id,
        concat(
            lower(first_name_buckets.first_name),
            '.',
            lower(described.last_name),
            cast(described.customer_number as string),
            '@',
            described.email_domain
        ) as email,
        first_name_buckets.first_name,
        described.last_name,
        if(not described.is_digital_join, 'store', described.drawn_acquisition_channel)
            as acquisition_channel,
        described.geo_region,
        described.geo_city,
        described.nearest_store_id,
        described.fulfillment_location_id,
        described.email_subscribe = 'yes' as email_subscribe_flag,
        described.sms_subscribe = 'yes' as sms_subscribe_flag,
        described.gender,
        described.is_male,
        described.age_band,
        taste_buckets.taste_number,
        described.matures_after_days,
        described.loyalty_bucket,
        described.visit_frequency_draw,
        described.age_draw,
        described.leave_draw,
        described.build_draw,
        described.tops_draw,
        described.bottoms_draw,
        described.shoes_draw,
        described.basket_draw,
        described.preference_draw,
        described.segment_draw,
        described.phone_draw
    from described
    inner join first_name_buckets
        on
            described.first_name_bucket = first_name_buckets.bucket
            and if(described.is_male, 'male', 'female') = first_name_buckets.gender
    inner join taste_buckets
        on
            described.taste_bucket = taste_buckets.bucket
            and described.is_male = taste_buckets.is_male

)

select * from final
