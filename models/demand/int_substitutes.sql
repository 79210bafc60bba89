with

products as (

    select * from {{ ref('gold_product_dim') }}

),

closeness as (

    select
        max(if(parameter = 'same_style', parameter_value, null)) as same_style,
        max(if(parameter = 'same_brand', parameter_value, null)) as same_brand,
        max(if(parameter = 'same_color_family', parameter_value, null)) as same_color_family,
        max(if(parameter = 'price_distance', parameter_value, null)) as price_distance,
        cast(max(if(parameter = 'neighbours', parameter_value, null)) as int) as neighbours
    from {{ ref('substitute_closeness') }}

),

-- Every colourway has a smallest size. Those of a style have one price and lie together.
colorways as (

    select
        colorway_key,
        style_id,
        brand,
        color_family,
        category_level_2,
        gender,
        size_ladder,
        base_price,
        row_number() over (
            partition by category_level_2, gender, size_ladder
            order by base_price, colorway_key
        ) as price_rank
    from products
    where size_order = 1

),

steps as (

    select explode(sequence(-neighbours, neighbours)) as step
    from closeness

),

-- Never all pairs of a section: only neighbours in the order of prices.
neighbour_ranks as (

    select
        colorways.*,
        colorways.price_rank + steps.step as neighbour_rank
    from colorways
    cross join steps
    where steps.step != 0

),

pairs as (

    select
        neighbour_ranks.colorway_key,
        neighbours.colorway_key as substitute_colorway_key,
        neighbours.style_id = neighbour_ranks.style_id as is_same_style,
        neighbours.brand = neighbour_ranks.brand as is_same_brand,
        neighbours.color_family = neighbour_ranks.color_family as is_same_color_family,
        abs(neighbours.base_price - neighbour_ranks.base_price)
        / least(neighbours.base_price, neighbour_ranks.base_price) as price_difference
    from neighbour_ranks
    inner join colorways as neighbours
        on
            neighbour_ranks.category_level_2 = neighbours.category_level_2
            and neighbour_ranks.gender = neighbours.gender
            and neighbour_ranks.size_ladder = neighbours.size_ladder
            and neighbour_ranks.neighbour_rank = neighbours.price_rank

),

final as (

    select
        pairs.colorway_key,
        pairs.substitute_colorway_key,
        {{ millionths(
            'case
                when pairs.is_same_style then closeness.same_style
                when pairs.is_same_brand then closeness.same_brand
                else 1.0D
            end
            * if(pairs.is_same_color_family, closeness.same_color_family, 1.0D)
            / (1 + closeness.price_distance * pairs.price_difference)'
        ) }} / 1000000.0D as closeness
    from pairs
    cross join closeness

)

select * from final
