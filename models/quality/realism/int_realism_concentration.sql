with

series as (

    select * from {{ ref('int_demand_series') }}

),

products as (

    select
        product_key,
        sum(units_sold) as units_sold
    from series
    group by product_key

),

ranked_products as (

    select
        units_sold,
        row_number() over (order by units_sold, product_key) as rank_from_below,
        count(*) over () as product_count
    from products
    where units_sold > 0

),

concentration as (

    select
        max(product_count) as product_count,
        sum(units_sold) as units_sold,
        sum(if((product_count - rank_from_below) * 5 < product_count, units_sold, 0))
            as units_of_top_fifth,
        -- Gini: sum((2 i - n - 1) x_i) / (n sum(x_i)), x in increasing order.
        sum((2 * rank_from_below - product_count - 1) * units_sold) as weighted_units
    from ranked_products

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'top_fifth_of_products_share',
                'units_of_top_fifth',
                'units_sold',
                'units sold of the best-selling fifth of the products'
            ) }},
            {{ measured_ratio(
                'product_gini',
                'weighted_units',
                'product_count * units_sold',
                'rank-weighted units by products x units'
            ) }}
        ))
    from concentration

)

select * from final
