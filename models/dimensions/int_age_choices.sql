-- A table of its own: docs/engine_notes.md#small-tables
with

taste_classes as (

    select * from {{ ref('taste_classes') }}

),

age_buckets as (

    {{ weighted_buckets(ref('taste_ages'), ['age_band'], group_by=['taste']) }}

),

final as (

    select
        cast(taste_classes.taste_number * 1000 + age_buckets.bucket as int) as age_choice,
        age_buckets.age_band
    from taste_classes
    inner join age_buckets on taste_classes.taste = age_buckets.taste

)

select * from final
