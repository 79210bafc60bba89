-- Which categories are bought together more often than chance would have it? A lift of 1 is no
-- relation among all baskets, so baskets of a single line pull every lift down.
with

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

kinds as (

    select distinct
        sales.cart_id,
        products.category_level_2
    from products
    inner join sales on products.product_key = sales.product_key

),

kind_counts as (

    select
        category_level_2,
        count(*) as baskets
    from kinds
    group by category_level_2

),

basket_counts as (

    select count(distinct cart_id) as baskets from kinds

),

pair_counts as (

    select
        kinds.category_level_2 as first_category,
        others.category_level_2 as second_category,
        count(*) as baskets
    from kinds
    inner join kinds as others
        on
            kinds.cart_id = others.cart_id
            and kinds.category_level_2 < others.category_level_2
    group by kinds.category_level_2, others.category_level_2

),

pairs as (

    select
        firsts.category_level_2 as first_category,
        seconds.category_level_2 as second_category,
        coalesce(pair_counts.baskets, 0) as baskets_with_both,
        firsts.baskets * cast(seconds.baskets as double)
        / basket_counts.baskets as baskets_expected
    from kind_counts as firsts
    inner join kind_counts as seconds on firsts.category_level_2 < seconds.category_level_2
    cross join basket_counts
    left join pair_counts
        on
            firsts.category_level_2 = pair_counts.first_category
            and seconds.category_level_2 = pair_counts.second_category

)

select
    first_category,
    second_category,
    baskets_with_both,
    baskets_expected,
    baskets_with_both / baskets_expected as lift
from pairs
order by lift desc, first_category asc, second_category asc
