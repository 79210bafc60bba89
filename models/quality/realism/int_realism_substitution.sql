with

products as (

    select * from {{ ref('gold_product_dim') }}

),

demand_truth as (

    select * from {{ ref('gold_demand_truth') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

demand as (

    select
        products.category_level_3,
        demand_truth.product_key,
        demand_truth.location_key,
        demand_truth.date_key,
        demand_truth.quantity_wanted,
        demand_truth.quantity_sold_first,
        demand_truth.quantity_substituted_out,
        demand_truth.quantity_bought_later,
        demand_truth.quantity_sold_first
        + demand_truth.quantity_substituted_in
        + demand_truth.quantity_sold_to_waiting as units_sold
    from products
    inner join demand_truth on products.product_key = demand_truth.product_key

),

missing as (

    select
        sum(quantity_wanted - quantity_sold_first) as units_missing,
        sum(quantity_substituted_out) as units_replaced,
        sum(quantity_bought_later) as units_bought_later
    from demand

),

best_sellers as (

    select
        category_level_3,
        product_key,
        row_number() over (
            partition by category_level_3
            order by sum(quantity_wanted) desc, product_key asc
        ) as demand_rank
    from demand
    group by category_level_3, product_key

),

category_days as (

    select
        category_level_3,
        location_key,
        date_key,
        sum(units_sold) as units_sold
    from demand
    group by category_level_3, location_key, date_key

),

-- Stockouts of what sells most in its category.
outages as (

    select
        best_sellers.category_level_3,
        best_sellers.product_key,
        stockout_events.location_key,
        stockout_events.stockout_start_date_key,
        coalesce(stockout_events.stockout_end_date_key, 99991231) as stockout_end_date_key
    from best_sellers
    inner join stockout_events on best_sellers.product_key = stockout_events.product_key
    where best_sellers.demand_rank = 1

),

categories_without_it as (

    select
        coalesce(sum(own_days.quantity_substituted_out), 0) as units_taken_instead,
        sum(category_days.units_sold - coalesce(own_days.units_sold, 0)) as units_sold_of_others
    from outages
    inner join category_days
        on
            outages.category_level_3 = category_days.category_level_3
            and outages.location_key = category_days.location_key
            and category_days.date_key
            between outages.stockout_start_date_key and outages.stockout_end_date_key
    left join demand as own_days
        on
            outages.product_key = own_days.product_key
            and category_days.location_key = own_days.location_key
            and category_days.date_key = own_days.date_key

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'replaced_share', 'units_replaced', 'units_missing', 'units not there at first'
            ) }},
            {{ measured_ratio(
                'bought_later_share',
                'units_bought_later',
                'units_missing',
                'units not there at first'
            ) }}
        ))
    from missing

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'category_rise',
                'units_taken_instead',
                '(units_sold_of_others - units_taken_instead)',
                'units taken in place of the best seller by others that were sold anyway'
            ) }}
        ))
    from categories_without_it

)

select * from final
