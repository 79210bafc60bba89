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

shopper_classes as (

    select
        taste,
        cast(8 * is_male + taste_number as int) as shopper_class
    from taste_classes
    cross join (select explode(array(0, 1)) as is_male)

),

-- In whole thousandths, so that sums are exact.
liked as (

    select
        shopper_classes.shopper_class,
        product_taxonomy.category_level_2,
        product_taxonomy.category_level_3,
        cast(
            round(
                1000 * product_taxonomy.weight * coalesce(taste_categories.affinity, 1.0D)
            ) as bigint
        ) as weight
    from shopper_classes
    cross join product_taxonomy
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
