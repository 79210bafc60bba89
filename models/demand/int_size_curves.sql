with

products as (

    select * from {{ ref('gold_product_dim') }}

),

colorways as (

    select * from {{ ref('int_colorways') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

size_planning as (

    select max(if(parameter = 'size_share_error', parameter_value, null)) as size_share_error
    from {{ ref('size_planning') }}

),

weighted as (

    select
        products.product_key,
        products.colorway_key,
        colorways.size_count,
        sizes.weight,
        -- Planners take the curve of a style for all of its colours.
        sizes.weight * cast(
            round(
                10000
                * {{ drawn_factor(
                    'planned_size_share',
                    ['colorways.style_number', 'products.size_order'],
                    'size_planning.size_share_error'
                ) }}
            ) as bigint
        ) as planned_weight
    from products
    inner join colorways on products.colorway_key = colorways.colorway_key
    inner join sizes
        on
            products.size_ladder = sizes.size_ladder
            and products.size_order = sizes.sort_order
    cross join size_planning

),

final as (

    select
        product_key,
        colorway_key,
        size_count,
        weight / cast(sum(weight) over (partition by colorway_key) as double) as size_share,
        planned_weight
        / cast(sum(planned_weight) over (partition by colorway_key) as double)
            as planned_size_share
    from weighted

)

select * from final
