{%- set num_products = var('num_products') | int -%}
{%- set color_draws = 8 -%}
{#- More styles than a category can need: fillers and what levels round up come on top. -#}
{%- set spare_styles = 40 -%}

with

taxonomy as (

    select
        category_level_3,
        weight,
        crc32(category_level_3) as category_number
    from {{ ref('product_taxonomy') }}
    where weight > 0

),

genders as (

    select * from {{ ref('category_genders') }}
    where weight > 0

),

ladders as (

    select
        size_ladder,
        count(*) as size_count
    from {{ ref('sizes') }}
    group by size_ladder

),

gender_buckets as (

    {{ weighted_buckets(
        ref('category_genders'), ['gender', 'size_ladder'], group_by=['category_level_3']
    ) }}

),

color_count_buckets as (

    {{ weighted_buckets(ref('colors_per_style'), ['color_count']) }}

),

color_buckets as (

    {{ weighted_buckets(ref('colors'), ['color_family', 'color_name']) }}

),

least_runs as (

    select
        genders.category_level_3,
        min(ladders.size_count) as least_run
    from genders
    inner join ladders on genders.size_ladder = ladders.size_ladder
    group by genders.category_level_3

),

-- Each category has a sequence of styles of its own, of which the first ones are taken.
style_numbers as (

    select
        taxonomy.category_level_3,
        taxonomy.category_number,
        explode(
            sequence(
                1,
                cast(
                    taxonomy.weight * {{ num_products }}
                    div (1000 * least_runs.least_run) as int
                ) + {{ spare_styles }}
            )
        ) as style_of_category
    from taxonomy
    inner join least_runs on taxonomy.category_level_3 = least_runs.category_level_3

),

described as (

    select
        style_numbers.*,
        gender_buckets.gender,
        gender_buckets.size_ladder,
        ladders.size_count,
        -- Breadth comes first: the first style of a category has one colour.
        if(style_numbers.style_of_category = 1, 1, color_count_buckets.color_count)
            as most_colors
    from style_numbers
    inner join gender_buckets
        on
            style_numbers.category_level_3 = gender_buckets.category_level_3
            and {{ bucket('style_gender', ['category_number', 'style_of_category']) }}
            = gender_buckets.bucket
    inner join color_count_buckets
        on
            {{ bucket('style_color_count', ['category_number', 'style_of_category']) }}
            = color_count_buckets.bucket
    inner join ladders on gender_buckets.size_ladder = ladders.size_ladder

),

color_positions as (

    select
        *,
        explode(sequence(1, {{ color_draws }})) as position
    from described

),

-- A colour that is drawn again counts once.
drawn_colors as (

    select
        color_positions.category_level_3,
        color_positions.style_of_category,
        color_positions.gender,
        color_positions.size_ladder,
        color_positions.size_count,
        color_positions.most_colors,
        color_buckets.color_family,
        color_buckets.color_name,
        min(color_positions.position) as first_position
    from color_positions
    inner join color_buckets
        on
            {{ bucket('style_color', ['category_number', 'style_of_category', 'position']) }}
            = color_buckets.bucket
    group by
        color_positions.category_level_3,
        color_positions.style_of_category,
        color_positions.gender,
        color_positions.size_ladder,
        color_positions.size_count,
        color_positions.most_colors,
        color_buckets.color_family,
        color_buckets.color_name

),

numbered_colors as (

    select
        *,
        row_number() over (
            partition by category_level_3, style_of_category order by first_position
        ) as color_number
    from drawn_colors

),

final as (

    select
        category_level_3,
        style_of_category,
        gender,
        size_ladder,
        cast(size_count as int) as size_count,
        color_number,
        color_family,
        color_name
    from numbered_colors
    where color_number <= most_colors

)

select * from final
