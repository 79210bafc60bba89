-- A table of its own: docs/engine_notes.md#small-tables
{%- set attributes = [
    'gender',
    'email_domain',
    'email_subscribe',
    'sms_subscribe',
] %}
{%- set size_ladders = {
    'female_tops': 'women_alpha',
    'male_tops': 'men_alpha',
    'female_bottoms': 'women_numeric',
    'male_bottoms': 'men_waist',
} %}

with

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

attribute_buckets as (

    {{ weighted_buckets('customer_attributes', ['value'], group_by=['attribute']) }}

),

acquisition_channels as (

    select * from customer_attributes
    where attribute = 'acquisition_channel'

),

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

size_buckets as (

    {{ weighted_buckets(ref('sizes'), ['sort_order', 'size'], group_by=['size_ladder']) }}

),

numbers as (

    select cast(id as int) as bucket from range(0, 1000)

),

final as (

    select
        numbers.bucket,
        {%- for attribute in attributes %}
            {{ attribute }}.value as {{ attribute }},
        {%- endfor %}
        {%- for part in size_ladders %}
            {{ part }}.size as {{ part }},
        {%- endfor %}
        any_channel.value as acquisition_channel,
        online_channel.value as online_acquisition_channel,
        female_names.first_name as female_first_name,
        male_names.first_name as male_first_name,
        last_name_buckets.last_name,
        female_tastes.taste_number as female_taste_number,
        male_tastes.taste_number as male_taste_number
    from numbers
    inner join last_name_buckets on numbers.bucket = last_name_buckets.bucket
    {%- for attribute in attributes %}
        inner join attribute_buckets as {{ attribute }}
            on
                {{ attribute }}.attribute = '{{ attribute }}'
                and numbers.bucket = {{ attribute }}.bucket
    {%- endfor %}
    inner join acquisition_channel_buckets as any_channel
        on numbers.bucket = any_channel.bucket and not any_channel.joined_online
    inner join acquisition_channel_buckets as online_channel
        on numbers.bucket = online_channel.bucket and online_channel.joined_online
    inner join first_name_buckets as female_names
        on numbers.bucket = female_names.bucket and female_names.gender = 'female'
    inner join first_name_buckets as male_names
        on numbers.bucket = male_names.bucket and male_names.gender = 'male'
    inner join taste_buckets as female_tastes
        on numbers.bucket = female_tastes.bucket and not female_tastes.is_male
    inner join taste_buckets as male_tastes
        on numbers.bucket = male_tastes.bucket and male_tastes.is_male
    {%- for part, size_ladder in size_ladders.items() %}
        inner join size_buckets as {{ part }}
            on
                {{ part }}.size_ladder = '{{ size_ladder }}'
                and numbers.bucket = {{ part }}.bucket
    {%- endfor %}

)

select * from final
