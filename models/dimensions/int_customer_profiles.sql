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

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

customer_places as (

    select * from {{ ref('int_customer_places') }}
    where {{ is_new_date('joined_date') }}

),

choices as (

    select * from {{ ref('int_person_choices') }}

),

age_choices as (

    select * from {{ ref('int_age_choices') }}

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
        {{ bucket('customer_acquisition_channel', ['customer_number']) }} as channel_bucket,
        {{ bucket('customer_gender', ['customer_number']) }} as gender_bucket,
        {{ bucket('customer_age_band', ['customer_number']) }} as age_band_bucket,
        {{ bucket('customer_email_domain', ['customer_number']) }} as email_domain_bucket,
        {{ bucket('customer_email_subscribe', ['customer_number']) }} as email_subscribe_bucket,
        {{ bucket('customer_sms_subscribe', ['customer_number']) }} as sms_subscribe_bucket,
        {{ uniform('customer_true_gender', ['customer_number']) }} as true_gender_draw
    from customer_places
    left join location_demand
        on customer_places.first_location_key = location_demand.location_key

),

described as (

    select
        customers.*,
        genders.gender,
        domains.email_domain,
        emails.email_subscribe = 'yes' as email_subscribe_flag,
        texts.sms_subscribe = 'yes' as sms_subscribe_flag,
        last_names.last_name,
        first_names.female_first_name,
        first_names.male_first_name,
        tastes.female_taste_number,
        tastes.male_taste_number,
        case
            when not customers.is_digital_join then 'store'
            when customers.is_digital_join then channels.online_acquisition_channel
            else channels.acquisition_channel
        end as acquisition_channel,
        -- Who does not say it has a gender as well.
        case genders.gender
            when 'female' then false
            when 'male' then true
            else customers.true_gender_draw < gender_shares.male_share
        end as is_male
    from choices as genders
    inner join customers on genders.bucket = customers.gender_bucket
    inner join choices as domains on customers.email_domain_bucket = domains.bucket
    inner join choices as emails on customers.email_subscribe_bucket = emails.bucket
    inner join choices as texts on customers.sms_subscribe_bucket = texts.bucket
    inner join choices as channels on customers.channel_bucket = channels.bucket
    inner join choices as first_names on customers.first_name_bucket = first_names.bucket
    inner join choices as last_names on customers.last_name_bucket = last_names.bucket
    inner join choices as tastes on customers.taste_bucket = tastes.bucket
    cross join gender_shares

),

named as (

    select
        *,
        if(is_male, male_first_name, female_first_name) as first_name,
        if(is_male, male_taste_number, female_taste_number) as taste_number
    from described

),

-- Draws last: the joins before carry no more columns than they need.
final as (

    select
        named.customer_number,
        named.joined_date,
        named.is_digital_join,
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
        named.geo_region,
        named.geo_city,
        named.nearest_store_id,
        named.fulfillment_location_id,
        named.email_subscribe_flag,
        named.sms_subscribe_flag,
        named.gender,
        named.is_male,
        age_choices.age_band,
        named.taste_number,
        {{ uniform_int(
            'customer_maturity', ['named.customer_number'], 'maturity.days_low', 'maturity.days_high'
        ) }} as matures_after_days,
        {{ uniform('customer_visit_frequency', ['named.customer_number']) }}
            as visit_frequency_draw,
        {%- for draw in draws %}
            {{ uniform('customer_' ~ draw, ['named.customer_number']) }} as {{ draw }}_draw,
        {%- endfor %}
        {{ bucket('customer_loyalty_tier', ['named.customer_number']) }} as loyalty_bucket
    from named
    inner join age_choices
        on named.taste_number * 1000 + named.age_band_bucket = age_choices.age_choice
    cross join maturity

)

select * from final
