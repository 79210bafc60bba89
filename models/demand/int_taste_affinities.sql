with

products as (

    select * from {{ ref('gold_product_dim') }}

),

taste_classes as (

    select * from {{ ref('taste_classes') }}

),

taste_categories as (

    select * from {{ ref('taste_categories') }}

),

taste_colors as (

    select * from {{ ref('taste_colors') }}

),

brand_looks as (

    select * from {{ ref('brand_looks') }}

),

gender_demand as (

    select * from {{ ref('gender_demand') }}

),

taste_shape as (

    select
        max(if(parameter = 'brand_affinity', parameter_value, null)) as brand_affinity,
        max(if(parameter = 'other_brand_affinity', parameter_value, null)) as other_brand_affinity
    from {{ ref('taste_shape') }}

),

-- Every colourway has a smallest size.
colorways as (

    select
        colorway_key,
        gender,
        category_level_2,
        color_family,
        brand,
        price_tier
    from products
    where size_order = 1

),

-- What a taste makes of a colourway, whoever has the taste.
liked as (

    select
        colorways.colorway_key,
        colorways.gender,
        taste_classes.taste_number,
        coalesce(taste_categories.affinity, 1.0D)
        * case colorways.price_tier
            when 'budget' then taste_classes.budget_index
            when 'mid' then taste_classes.mid_index
            when 'premium' then taste_classes.premium_index
            else taste_classes.luxury_index
        end
        * if(
            brand_looks.brand is null,
            taste_shape.other_brand_affinity,
            taste_shape.brand_affinity
        )
        * coalesce(taste_colors.affinity, 1.0D) as taste_factor
    from colorways
    cross join taste_classes
    cross join taste_shape
    left join taste_categories
        on
            taste_classes.taste = taste_categories.taste
            and colorways.category_level_2 = taste_categories.category_level_2
    left join taste_colors
        on
            taste_classes.taste = taste_colors.taste
            and colorways.color_family = taste_colors.color_family
    left join brand_looks
        on
            taste_classes.taste = brand_looks.taste
            and colorways.brand = brand_looks.brand

),

final as (

    select
        liked.colorway_key,
        cast(
            if(gender_demand.shopper_gender = 'male', 8, 0) + liked.taste_number as int
        ) as shopper_class,
        {{ millionths('gender_demand.affinity * liked.taste_factor') }} / 1000000.0D as affinity
    from liked
    inner join gender_demand on liked.gender = gender_demand.product_gender

)

select * from final
