{%- set draws = [
    'visit_frequency',
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

-- The small side comes first, so that customers pass through in batches:
-- docs/engine_notes.md#order-of-joins
placed as (

    select
        customer_places.*,
        location_demand.channel_group = 'digital' as is_digital_join
    from location_demand
    right join customer_places -- noqa: CV08
        on location_demand.location_key = customer_places.first_location_key

),

gendered as (

    select
        placed.*,
        -- Who does not say it has a gender as well.
        case choices.gender
            when 'female' then false
            when 'male' then true
            else
                {{ uniform('customer_true_gender', ['placed.customer_number']) }}
                < gender_shares.male_share
        end as is_male
    from gender_shares
    cross join choices
    inner join placed
        on choices.bucket = {{ bucket('customer_gender', ['placed.customer_number']) }}

),

with_taste as (

    select
        gendered.*,
        if(gendered.is_male, choices.male_taste_number, choices.female_taste_number)
            as taste_number
    from choices
    inner join gendered
        on choices.bucket = {{ bucket('customer_taste', ['gendered.customer_number']) }}

),

final as (

    select
        with_taste.customer_number,
        with_taste.joined_date,
        with_taste.first_location_key,
        with_taste.nearest_store_id,
        with_taste.fulfillment_location_id,
        with_taste.city_key,
        with_taste.is_digital_join,
        with_taste.is_male,
        with_taste.taste_number,
        {%- for draw in draws %}
            {{ uniform('customer_' ~ draw, ['with_taste.customer_number']) }} as {{ draw }}_draw,
        {%- endfor %}
        {{ uniform_int(
            'customer_maturity',
            ['with_taste.customer_number'],
            'maturity.days_low',
            'maturity.days_high',
        ) }} as matures_after_days
    from maturity
    cross join with_taste

)

select * from final
