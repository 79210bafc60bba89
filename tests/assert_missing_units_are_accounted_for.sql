-- What was missing at the first try is replaced, bought later or finally lost, to the unit: each
-- replacement in the sales belongs to one lost sale and is what that tells of it, the sums of lost
-- sales stand on the stockout events, and those of lost and other sales in the demand truth.
with

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}
    where {{ is_new('date_key', days_back=longest_wait()) }}

),

-- A later visit is at most so many days after the lost sale.
sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return and {{ is_new('date_key', days_back=longest_wait()) }}

),

-- Of those that began earlier nothing is looked at.
stockout_events as (

    select * from {{ ref('gold_stockout_events') }}
    where {{ is_new('stockout_start_date_key', days_back=longest_wait()) }}

),

demand_truth as (

    select * from {{ ref('gold_demand_truth') }}
    where {{ is_new('date_key', days_back=longest_wait()) }}

),

replacements as (

    select * from sales
    where lost_sale_id is not null

),

wrong_replacements as (

    select
        'replacement of a lost sale' as problem,
        coalesce(lost_sales.lost_sale_id, replacements.lost_sale_id) as problem_id
    from lost_sales
    full outer join replacements on lost_sales.lost_sale_id = replacements.lost_sale_id
    where
        -- A later visit may be for a day that is not looked at; that of a new day is not.
        (
            lost_sales.lost_sale_id is null
            and (replacements.line_role = 'substitute' or {{ is_new('replacements.date_key') }})
        )
        or coalesce(replacements.quantity_sold, 0)
        != lost_sales.quantity_substituted + lost_sales.quantity_bought_later
        or lost_sales.location_key != replacements.location_key
        or (
            replacements.line_role = 'substitute'
            and (
                replacements.product_key != lost_sales.substitute_product_key
                or replacements.cart_id != lost_sales.cart_id
                or replacements.date_key != lost_sales.date_key
            )
        )
        or (
            replacements.line_role = 'later_visit'
            and (
                replacements.product_key != lost_sales.product_key
                or replacements.date_key != lost_sales.later_visit_date_key
            )
        )

),

lost_by_event as (

    select
        stockout_id,
        sum(quantity_substituted) as substituted,
        sum(quantity_bought_later) as bought_later,
        sum(quantity_finally_lost) as finally_lost
    from lost_sales
    group by stockout_id

),

wrong_events as (

    select
        'stockout event' as problem,
        cast(stockout_events.stockout_id as string) as problem_id
    from stockout_events
    left join lost_by_event on stockout_events.stockout_id = lost_by_event.stockout_id
    where
        stockout_events.substituted_quantity != coalesce(lost_by_event.substituted, 0)
        or stockout_events.bought_later_quantity != coalesce(lost_by_event.bought_later, 0)
        or stockout_events.finally_lost_quantity != coalesce(lost_by_event.finally_lost, 0)

),

units as (

    select
        product_key,
        location_key,
        date_key,
        quantity_sold as units_sold,
        0 as units_lost,
        0 as finally_lost,
        0 as truth_sold,
        0 as truth_missing,
        0 as truth_finally_lost
    from sales

    union all

    select
        product_key,
        location_key,
        date_key,
        0 as units_sold,
        quantity_lost as units_lost,
        quantity_finally_lost as finally_lost,
        0 as truth_sold,
        0 as truth_missing,
        0 as truth_finally_lost
    from lost_sales

    union all

    select
        product_key,
        location_key,
        date_key,
        0 as units_sold,
        0 as units_lost,
        0 as finally_lost,
        quantity_sold_first + quantity_substituted_in + quantity_sold_to_waiting as truth_sold,
        quantity_wanted - quantity_sold_first as truth_missing,
        quantity_finally_lost as truth_finally_lost
    from demand_truth

),

wrong_days as (

    select
        'demand truth' as problem,
        concat_ws(
            ' ',
            cast(product_key as string),
            cast(location_key as string),
            cast(date_key as string)
        ) as problem_id
    from units
    group by product_key, location_key, date_key
    having
        sum(units_sold) != sum(truth_sold)
        or sum(units_lost) != sum(truth_missing)
        or sum(finally_lost) != sum(truth_finally_lost)

)

select * from wrong_replacements
union all
select * from wrong_events
union all
select * from wrong_days
