with

-- Who is marked down is no matter of chance: the price of a promotion is.
promotions as (

    select * from {{ ref('gold_promotion_dim') }}
    where promotion_key = 0 or product_share > 0

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

promotion_days as (

    select * from {{ ref('int_promotion_days') }}

),

demand_plan as (

    select * from {{ ref('int_demand_plan') }}
    where month_key <= ({{ date_key(last_simulated_day()) }}) div 100

),

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

-- Recovery carts keep the discount of an earlier day, so they tell nothing about this one.
promotion_sales as (

    select
        sales.date_key,
        location_demand.price_zone,
        sum(if(sales.promotion_key > 0, sales.quantity_sold, 0)) as promoted_units,
        sum(if(sales.promotion_key > 0, 0, sales.quantity_sold)) as other_units,
        sum(
            if(
                sales.promotion_key > 0,
                {{ cents('sales.unit_price') }} * sales.quantity_sold,
                0
            )
        ) as promoted_list_cents,
        sum(if(sales.promotion_key > 0, {{ cents('sales.net_sales_amount') }}, 0))
            as promoted_cents,
        sum(if(sales.promotion_key > 0, {{ cents('sales.gross_margin_amount') }}, 0))
            as promoted_margin_cents,
        sum(if(sales.promotion_key > 0, 0, {{ cents('sales.net_sales_amount') }}))
            as other_cents,
        sum(if(sales.promotion_key > 0, 0, {{ cents('sales.gross_margin_amount') }}))
            as other_margin_cents
    from location_demand
    inner join sales on location_demand.location_key = sales.location_key
    inner join promotions on sales.promotion_key = promotions.promotion_key
    where not sales.is_return and sales.cart_id not like '%R'
    group by sales.date_key, location_demand.price_zone

),

-- What share of the plan the promoted products are: so much they would sell without promotion.
-- Others have the full price, and less demand where a promotion has just ended.
product_weights as (

    select
        demand_plan.product_key,
        demand_plan.month_key,
        location_demand.price_zone,
        sum(demand_plan.planned_weight) as planned_weight
    from location_demand
    inner join demand_plan on location_demand.location_key = demand_plan.location_key
    group by demand_plan.product_key, demand_plan.month_key, location_demand.price_zone

),

month_weights as (

    select
        month_key,
        price_zone,
        sum(planned_weight) as planned_weight
    from product_weights
    group by month_key, price_zone

),

promoted_weights as (

    select
        promotion_days.date_key,
        promotion_days.price_zone,
        product_weights.month_key,
        sum(
            if(
                promotion_days.promotion_key > 0 and not promotion_days.is_markdown,
                product_weights.planned_weight,
                0
            )
        ) as planned_weight,
        sum(
            if(
                promotion_days.promotion_key > 0,
                product_weights.planned_weight,
                cast(
                    round(product_weights.planned_weight * (1 - promotion_days.demand_uplift))
                    as bigint
                )
            )
        ) as missing_weight
    from promotion_days
    inner join product_weights
        on
            promotion_days.product_key = product_weights.product_key
            and promotion_days.price_zone = product_weights.price_zone
            and promotion_days.date_key div 100 = product_weights.month_key
    group by
        promotion_days.date_key, promotion_days.price_zone, product_weights.month_key

),

expected_sales as (

    select
        promotion_sales.*,
        cast(round(
            promotion_sales.other_units
            * 1000.0D
            * promoted_weights.planned_weight
            / (month_weights.planned_weight - promoted_weights.missing_weight)
        ) as bigint) as expected_thousandths
    from promoted_weights
    inner join month_weights
        on
            promoted_weights.month_key = month_weights.month_key
            and promoted_weights.price_zone = month_weights.price_zone
    inner join promotion_sales
        on
            promoted_weights.date_key = promotion_sales.date_key
            and promoted_weights.price_zone = promotion_sales.price_zone
    where month_weights.planned_weight > promoted_weights.missing_weight

),

promotion_totals as (

    select
        sum(promoted_units) as units,
        sum(expected_thousandths) div 1000 as expected_units,
        sum(promoted_list_cents) div 100 as list_dollars,
        sum(promoted_cents) div 100 as dollars,
        sum(promoted_margin_cents) / cast(nullif(sum(promoted_cents), 0) as double)
            as promoted_margin,
        sum(other_margin_cents) / cast(nullif(sum(other_cents), 0) as double) as other_margin
    from expected_sales

),

final as (

    -- Mid-point (arc) elasticity: relative change of units by that of the price.
    select
        inline(array( -- noqa: AL03
            named_struct(
                'metric_id', 'price_elasticity',
                'measured_value',
                (units - expected_units)
                / cast(nullif(units + expected_units, 0) as double)
                * (list_dollars + dollars)
                / nullif(dollars - list_dollars, 0),
                'detail', concat(
                    coalesce(cast(units as string), 'no'),
                    ' promoted units where ',
                    coalesce(cast(expected_units as string), 'none'),
                    ' were to be expected, at ',
                    coalesce(cast(dollars as string), '0'),
                    ' instead of ',
                    coalesce(cast(list_dollars as string), '0'),
                    ' dollars'
                )
            ),
            named_struct(
                'metric_id', 'promotion_margin_change',
                'measured_value', promoted_margin - other_margin,
                'detail', concat(
                    'margin rate ',
                    coalesce({{ four_decimals('promoted_margin') }}, '-'),
                    ' on promotion, ',
                    coalesce({{ four_decimals('other_margin') }}, '-'),
                    ' otherwise, on the same days'
                )
            )
        ))
    from promotion_totals

)

select * from final
