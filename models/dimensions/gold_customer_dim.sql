{%- set of_gender = 'if(people.is_male, choices.male_{0}, choices.female_{0})' %}
-- What int_person_choices gives each: the column, its value and the draw or body part that decides.
{%- set given = [
    ('email_subscribe_flag', "choices.email_subscribe = 'yes'", 'email_subscribe'),
    ('sms_subscribe_flag', "choices.sms_subscribe = 'yes'", 'sms_subscribe'),
    ('gender', 'choices.gender', 'gender'),
    ('email_domain', 'choices.email_domain', 'email_domain'),
    ('last_name', 'choices.last_name', 'last_name'),
    ('first_name', of_gender.format('first_name'), 'first_name'),
    ('size_profile_tops', of_gender.format('tops'), 'build_tops'),
    ('size_profile_bottoms', of_gender.format('bottoms'), 'build_bottoms'),
    (
        'acquisition_channel',
        "case people.is_digital_join when false then 'store' when true"
        ~ " then choices.online_acquisition_channel else choices.acquisition_channel end",
        'acquisition_channel',
    ),
] %}

with

segments as (

    select * from {{ ref('customer_segments') }}

),

lives as (

    select * from {{ ref('int_customer_lives') }}

),

later_versions as (

    select * from {{ ref('int_later_versions') }}

),

cities as (

    select * from {{ ref('cities') }}

),

category_preferences as (

    select * from {{ ref('int_category_preferences') }}

),

age_choices as (

    select * from {{ ref('int_age_choices') }}

),

choices as (

    select * from {{ ref('int_person_choices') }}

),

-- Of who has more than one version; the first ends where the second begins.
spans as (

    select
        customer_number,
        version,
        segment_rank,
        effective_date,
        next_effective_date
    from later_versions

    union all

    select
        customer_number,
        1 as version,
        cast(null as int) as segment_rank,
        cast(null as date) as effective_date,
        effective_date as next_effective_date
    from later_versions
    where version = 2

),

-- From here on customers pass through in batches, as the small side comes first, and the largest of
-- those before the others: docs/engine_notes.md#order-of-joins
versions as (

    select
        lives.*,
        lives.shopper_class >= 8 as is_male,
        coalesce(spans.version, 1) as version,
        coalesce(spans.segment_rank, lives.first_rank) as segment_rank,
        coalesce(spans.effective_date, lives.acquisition_date) as effective_date,
        spans.next_effective_date
    from spans
    right join lives on spans.customer_number = lives.customer_number -- noqa: CV08

),

-- Of appended days, new versions and those that they end.
preferring as (

    select
        versions.*,
        category_preferences.category_level_2 as preferred_category
    from category_preferences
    inner join versions
        on
            category_preferences.shopper_class = versions.shopper_class
            and category_preferences.bucket
            = {{ bucket('customer_category', ['versions.customer_number']) }}
    where
        {{ is_new_date('versions.effective_date') }}
        or {{ is_new_date('versions.next_effective_date') }}

),

people_0 as (

    select
        preferring.*,
        age_choices.age_band
    from age_choices
    inner join preferring
        on
            age_choices.age_choice
            = preferring.shopper_class % 8 * 1000
            + {{ bucket('customer_age_band', ['preferring.customer_number']) }}

),

{% for column, value, decider in given %}
    people_{{ loop.index }} as (

        select
            people.*,
            {{ value }} as {{ column }}
        from choices
        inner join people_{{ loop.index0 }} as people
            on
                choices.bucket
                = {{
                    quantile_bucket('people.' ~ decider) if decider.startswith('build_')
                    else bucket('customer_' ~ decider, ['people.customer_number'])
                }}

    ),

{% endfor %}

in_cities as (

    select
        people.*,
        cities.city as geo_city,
        cities.region as geo_region,
        {{ bucket('customer_loyalty_tier', ['people.customer_number']) }} as loyalty_bucket
    from cities
    inner join people_{{ given | length }} as people on cities.city_key = people.city_key

),

described as (

    select
        in_cities.*,
        segments.segment,
        segments.platinum_weight,
        segments.gold_weight,
        segments.bronze_weight
    from segments
    inner join in_cities on segments.segment_rank = in_cities.segment_rank

),

known as (

    select
        cast(customer_number + (version - 1) * {{ customer_key_step() }} as int) as customer_key,
        concat('CUST_', lpad(cast(customer_number as string), 8, '0')) as customer_id,
        concat(
            lower(first_name),
            '.',
            lower(last_name),
            cast(customer_number as string),
            '@',
            email_domain
        ) as email,
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
        -- The customer's own draw against the segment's shares: a better segment, a better tier.
        case
            when loyalty_bucket < platinum_weight then 'platinum'
            when loyalty_bucket < platinum_weight + gold_weight then 'gold'
            when loyalty_bucket < 1000 - bronze_weight then 'silver'
            else 'bronze'
        end as loyalty_tier,
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
        {{ uniform('customer_visit_frequency', ['customer_number']) }} as visit_frequency_draw,
        spend_before_cents / 100.0D as spend_to_date
    from described

),

first_locations as (

    select
        channel,
        min(location_key) as location_key
    from {{ ref('gold_location_dim') }}
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
