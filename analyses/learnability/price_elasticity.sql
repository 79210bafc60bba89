-- How much more is sold at a lower price? Regressions of the logarithm of units on that of the
-- price by product and week, with more and more effects, beside what promotions tell whose products
-- were drawn by chance: the rise of these from the two weeks before, over that of the others.
with

sales as (

    select
        product_key,
        promotion_key,
        {{ date_of_key('date_key') }} as sale_date,
        quantity_sold,
        {{ cents('unit_price') }} * quantity_sold as list_cents,
        {{ cents('revenue') }} as paid_cents
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

promotions as (

    -- Markdowns follow from how a product sells, so none of them is a draw.
    select * from {{ ref('gold_promotion_dim') }}
    where product_share > 0

),

product_weeks as (

    select
        sales.product_key,
        products.category_level_1,
        date_trunc('week', sales.sale_date) as week_date,
        ln(sum(sales.quantity_sold)) as log_units,
        ln(sum(sales.paid_cents) / cast(sum(sales.quantity_sold) as double)) as log_price
    from products
    inner join sales on products.product_key = sales.product_key
    group by sales.product_key, products.category_level_1, date_trunc('week', sales.sale_date)

),

within_all as (

    select
        product_key,
        category_level_1,
        week_date,
        log_units - avg(log_units) over () as log_units,
        log_price - avg(log_price) over () as log_price
    from product_weeks

),

within_products as (

    select
        category_level_1,
        week_date,
        log_units - avg(log_units) over (partition by product_key) as log_units,
        log_price - avg(log_price) over (partition by product_key) as log_price
    from within_all

),

within_weeks as (

    select
        log_units - avg(log_units) over (partition by category_level_1, week_date) as log_units,
        log_price - avg(log_price) over (partition by category_level_1, week_date) as log_price
    from within_products

),

deviations as (

    select
        'regression' as estimator,
        log_units,
        log_price
    from within_all

    union all

    select
        'regression with product effects' as estimator,
        log_units,
        log_price
    from within_products

    union all

    select
        'regression with product and category-week effects' as estimator,
        log_units,
        log_price
    from within_weeks

),

regressions as (

    select
        estimator,
        count(*) as observations,
        sum(log_units * log_price) / nullif(sum(log_price * log_price), 0) as elasticity
    from deviations
    group by estimator

),

period as (

    select
        min(sale_date) as first_date,
        max(sale_date) as last_date
    from sales

),

-- Promotions of all channels that the two weeks before are there of.
experiments as (

    select
        promotions.promotion_key,
        promotions.promotion_type,
        promotions.category_level_1,
        promotions.start_date,
        least(promotions.end_date, period.last_date) as end_date
    from period
    inner join promotions
        on
            period.first_date <= date_sub(promotions.start_date, 14)
            and period.last_date >= promotions.start_date
    where promotions.channel_type is null

),

product_days as (

    select
        product_key,
        sale_date,
        max(promotion_key) as promotion_key,
        sum(quantity_sold) as units,
        sum(list_cents) as list_cents,
        sum(paid_cents) as paid_cents
    from sales
    group by product_key, sale_date

),

-- Each product in each promotion: units and days in it, or without any price but the list price.
participants as (

    select
        experiments.promotion_key,
        experiments.promotion_type,
        product_days.product_key,
        datediff(experiments.end_date, experiments.start_date) + 1 as promotion_days,
        product_days.sale_date >= experiments.start_date as is_during,
        product_days.promotion_key = experiments.promotion_key as is_promoted,
        product_days.promotion_key not in (0, experiments.promotion_key) as is_other,
        product_days.units,
        product_days.list_cents,
        product_days.paid_cents
    from experiments
    inner join product_days
        on
            product_days.sale_date
            between date_sub(experiments.start_date, 14) and experiments.end_date
    inner join products
        on
            product_days.product_key = products.product_key
            and date_sub(experiments.start_date, 14) >= products.launch_date
            and experiments.end_date
            <= coalesce(products.end_of_life_date, experiments.end_date)
            and (
                experiments.category_level_1 is null
                or experiments.category_level_1 = products.category_level_1
            )

),

changes as (

    select
        promotion_key,
        promotion_type,
        product_key,
        coalesce(max(is_promoted), false) as is_promoted,
        sum(if(is_during and not is_other, units, 0))
        / cast(
            max(promotion_days) - count(if(is_during and is_other, 1, null)) as double
        ) as units_a_day,
        sum(if(not is_during and not is_other, units, 0))
        / cast(14 - count(if(not is_during and is_other, 1, null)) as double)
            as units_a_day_before,
        sum(if(is_during and not is_other, paid_cents, 0)) as paid_cents,
        sum(if(is_during and not is_other, list_cents, 0)) as list_cents
    from participants
    group by promotion_key, promotion_type, product_key
    having
        max(promotion_days) > count(if(is_during and is_other, 1, null))
        and count(if(not is_during and is_other, 1, null)) < 10
        and count(if(is_during and not is_other, 1, null)) > 0

),

rises as (

    select
        promotion_type,
        promotion_key,
        count(if(is_promoted, 1, null)) as observations,
        sum(if(is_promoted, units_a_day, 0.0D)) as promoted_during,
        sum(if(is_promoted, units_a_day_before, 0.0D)) as promoted_before,
        sum(if(is_promoted, 0.0D, units_a_day)) as other_during,
        sum(if(is_promoted, 0.0D, units_a_day_before)) as other_before,
        sum(if(is_promoted, paid_cents, 0))
        / cast(nullif(sum(if(is_promoted, list_cents, 0)), 0) as double) as price_share
    from changes
    group by promotion_type, promotion_key

),

by_promotion as (

    select
        promotion_type,
        observations,
        ln(promoted_during * other_before / (promoted_before * other_during)) as log_rise,
        ln(price_share) as log_price
    from rises
    where
        least(promoted_during, promoted_before, other_during, other_before) > 0
        and price_share < 1

),

promoted as (

    select
        concat('promotions: ', promotion_type) as estimator,
        sum(observations) as observations,
        sum(observations * log_rise) / sum(observations * log_price) as elasticity
    from by_promotion
    group by promotion_type

    union all

    select
        'promotions: all' as estimator,
        sum(observations) as observations,
        sum(observations * log_rise) / sum(observations * log_price) as elasticity
    from by_promotion

),

final as (

    select * from regressions

    union all

    select * from promoted

)

select
    estimator,
    observations,
    elasticity
from final
where observations > 0
order by estimator asc
