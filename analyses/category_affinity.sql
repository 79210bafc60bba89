-- How much more likely is a purchase in a category of a customer who bought in it already? Of all
-- pairs of purchases of known customers, in one basket or two; a lift of 1 is no affinity. All
-- purchases weigh the same, however many their customer makes.
with

affinities as (

    -- Known customers only, whose returns count as purchases.
    select * from {{ ref('gold_customer_product_affinity_agg') }}
    where purchase_count > 0

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

kinds as (

    select
        affinities.customer_key,
        products.category_level_2,
        sum(affinities.purchase_count) as purchases
    from products
    inner join affinities on products.product_key = affinities.product_key
    group by affinities.customer_key, products.category_level_2

),

totals as (

    select
        *,
        sum(purchases) over (partition by customer_key) as customer_purchases
    from kinds

),

categories as (

    select
        category_level_2,
        count(*) as customers,
        sum(purchases) as purchases,
        sum(purchases * (purchases - 1) / cast(customer_purchases - 1 as double))
            as same_category
    from totals
    -- Only who buys twice can buy again.
    where customer_purchases > 1
    group by category_level_2

),

shares as (

    select
        category_level_2,
        customers,
        purchases,
        purchases / cast(sum(purchases) over () as double) as purchase_share,
        same_category / purchases as repeat_share
    from categories

)

select
    category_level_2,
    customers,
    purchases,
    purchase_share,
    repeat_share,
    repeat_share / purchase_share as lift
from shares
order by lift desc, category_level_2 asc
