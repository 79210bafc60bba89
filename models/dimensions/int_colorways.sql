{%- set num_products = var('num_products') | int -%}

with

taxonomy as (

    select
        *,
        sum(weight) over (partition by category_level_1) as weight_1,
        sum(weight) over (partition by category_level_1, category_level_2) as weight_2
    from {{ ref('product_taxonomy') }}

),

style_colors as (

    select * from {{ ref('int_style_colors') }}

),

size_ranges as (

    select
        size_ladder,
        if(
            max(sort_order) = 1,
            max(size),
            concat(min_by(size, sort_order), '-', max_by(size, sort_order))
        ) as size_range
    from {{ ref('sizes') }}
    group by size_ladder

),

style_sizes as (

    select
        category_level_3,
        style_of_category,
        gender,
        size_ladder,
        size_count,
        count(*) * size_count as products
    from style_colors
    group by category_level_3, style_of_category, gender, size_ladder, size_count

),

styles as (

    select
        style_sizes.*,
        taxonomy.category_level_1,
        taxonomy.category_level_2,
        taxonomy.weight,
        taxonomy.weight_1,
        taxonomy.weight_2
    from style_sizes
    inner join taxonomy on style_sizes.category_level_3 = taxonomy.category_level_3

),

{#-
    The next style is always of the category that is furthest behind its weight: among the third
    levels of a second one, then among second and first levels. Its turn comes when all categories
    beside it have as many products for their weight as it has before the style.
#}
{%- set levels = [
    ('level_3', 'styles', 'category_level_3', 'style_of_category', 'weight'),
    ('level_2', 'by_level_3', 'category_level_1, category_level_2',
        'level_3_turn asc, weight desc, category_level_3 asc', 'weight_2'),
    ('level_1', 'by_level_2', 'category_level_1',
        'level_2_turn asc, weight_2 desc, category_level_2 asc', 'weight_1'),
] %}
{%- for level, source, partition, order, weight in levels %}

    by_{{ level }} as (

        select
            *,
            coalesce(
                sum(products) over (
                    partition by {{ partition }}
                    order by {{ order }}
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) / cast({{ weight }} as double) as {{ level }}_turn
        from {{ source }}

    ),
{%- endfor %}

ordered as (

    select
        *,
        coalesce(
            sum(products) over (
                order by level_1_turn asc, weight_1 desc, category_level_1 asc
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as products_before
    from by_level_1

),

in_range as (

    select
        ordered.category_level_3,
        ordered.gender,
        ordered.size_ladder,
        ordered.size_count,
        style_colors.color_family,
        style_colors.color_name,
        style_colors.color_number,
        ordered.products_before,
        ordered.products_before + ordered.size_count * (style_colors.color_number - 1)
            as products_before_color
    from ordered
    inner join style_colors
        on
            ordered.category_level_3 = style_colors.category_level_3
            and ordered.style_of_category = style_colors.style_of_category
    where
        ordered.products_before + ordered.size_count * style_colors.color_number
        <= {{ num_products }}

),

product_count as (

    select coalesce(max(products_before_color + size_count), 0) as product_count from in_range

),

-- What no run fits in at the end is filled by the next styles of one size.
fillers as (

    select
        *,
        row_number() over (order by products_before) as filler_number
    from ordered
    where size_count = 1 and products_before >= {{ num_products }}

),

colorways as (

    select * from in_range

    union all

    select
        fillers.category_level_3,
        fillers.gender,
        fillers.size_ladder,
        fillers.size_count,
        style_colors.color_family,
        style_colors.color_name,
        style_colors.color_number,
        fillers.products_before,
        product_count.product_count + fillers.filler_number - 1 as products_before_color
    from fillers
    cross join product_count
    inner join style_colors
        on
            fillers.category_level_3 = style_colors.category_level_3
            and fillers.style_of_category = style_colors.style_of_category
            and style_colors.color_number = 1
    where product_count.product_count + fillers.filler_number <= {{ num_products }}

),

final as (

    select
        cast(row_number() over (order by colorways.products_before_color) as int) as colorway_key,
        cast(dense_rank() over (order by colorways.products_before) as int) as style_number,
        colorways.category_level_3,
        colorways.gender,
        colorways.size_ladder,
        size_ranges.size_range,
        colorways.size_count,
        colorways.color_family,
        colorways.color_name,
        cast(colorways.products_before_color + 1 as int) as first_product_key,
        cast(colorways.products_before_color + colorways.size_count as int) as last_product_key
    from colorways
    inner join size_ranges on colorways.size_ladder = size_ranges.size_ladder

)

select * from final
