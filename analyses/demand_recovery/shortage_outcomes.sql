-- Does what became of missing units tell how many shoppers take something else, and how many wait?
-- Lines that got too little by outcome, beside what shoppers of all lines would do; both of carts
-- that were not abandoned, as more is abandoned online, where more wait.
with

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

-- Attempts after the second are of substitutes and of later visits.
surviving_lines as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and attempt <= 2

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

outcomes_by_category as (

    select
        products.category_level_2,
        count(*) as lines_short,
        count_if(
            lost_sales.outcome in ('substituted', 'partly_substituted', 'substitute_missing')
        ) as lines_substituting,
        count_if(
            lost_sales.outcome in (
                'bought_later', 'partly_bought_later', 'waited_in_vain', 'waiting'
            )
        ) as lines_waiting
    from products
    inner join lost_sales on products.product_key = lost_sales.product_key
    group by products.category_level_2

),

responses_by_category as (

    select
        products.category_level_2,
        count(*) as all_lines,
        count_if(cart_lines.shortage_response = 'substitute') as all_lines_substituting,
        count_if(cart_lines.shortage_response = 'wait') as all_lines_waiting
    from products
    inner join cart_lines on products.product_key = cart_lines.product_key
    inner join surviving_lines on cart_lines.cart_line_id = surviving_lines.cart_line_id
    group by products.category_level_2

)

select
    responses_by_category.category_level_2,
    coalesce(outcomes_by_category.lines_short, 0) as lines_short,
    coalesce(outcomes_by_category.lines_substituting, 0) as lines_substituting,
    coalesce(outcomes_by_category.lines_waiting, 0) as lines_waiting,
    responses_by_category.all_lines,
    responses_by_category.all_lines_substituting,
    responses_by_category.all_lines_waiting
from responses_by_category
left join outcomes_by_category
    on responses_by_category.category_level_2 = outcomes_by_category.category_level_2
order by responses_by_category.category_level_2 asc
