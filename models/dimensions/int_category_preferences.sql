-- A table of its own: docs/engine_notes.md#small-tables
with

product_taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

taste_classes as (

    select * from {{ ref('taste_classes') }}

),

taste_categories as (

    select * from {{ ref('taste_categories') }}

),

category_genders as (

    select * from {{ ref('category_genders') }}

),

gender_demand as (

    select * from {{ ref('gender_demand') }}

),

shopper_classes as (

    select
        taste,
        taste_number as shopper_class,
        'female' as shopper_gender
    from taste_classes

    union all

    select
        taste,
        8 + taste_number as shopper_class,
        'male' as shopper_gender
    from taste_classes

),

-- Of products for everybody and for others a gender buys less.
gender_factors as (

    select
        category_genders.category_level_3,
        gender_demand.shopper_gender,
        sum(cast(round(category_genders.weight * gender_demand.affinity * 1000) as bigint))
        / 1000000.0D as gender_factor
    from category_genders
    inner join gender_demand on category_genders.gender = gender_demand.product_gender
    group by category_genders.category_level_3, gender_demand.shopper_gender

),

-- In whole thousandths, so that sums are exact.
liked as (

    select
        shopper_classes.shopper_class,
        product_taxonomy.category_level_2,
        product_taxonomy.category_level_3,
        cast(
            round(
                1000
                * product_taxonomy.weight
                * gender_factors.gender_factor
                * coalesce(taste_categories.affinity, 1.0D)
            ) as bigint
        ) as weight
    from shopper_classes
    cross join product_taxonomy
    inner join gender_factors
        on
            shopper_classes.shopper_gender = gender_factors.shopper_gender
            and product_taxonomy.category_level_3 = gender_factors.category_level_3
    left join taste_categories
        on
            shopper_classes.taste = taste_categories.taste
            and product_taxonomy.category_level_2 = taste_categories.category_level_2

),

final as (

    select
        shopper_class,
        bucket,
        category_level_2
    from (
        {{ share_buckets(
            'liked',
            ['category_level_2', 'category_level_3'],
            group_by=['shopper_class'],
            buckets=1000,
        ) }}
    )

)

select * from final
