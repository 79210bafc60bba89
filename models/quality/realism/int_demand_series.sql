{#- Limits of the classes, in hundredths (Syntetos, Boylan and Croston 2005). -#}
{%- set interval_limit = 132 -%}
{%- set variation_limit = 49 -%}

with

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

requests as (

    select
        product_key,
        location_key,
        date_key,
        quantity_sold,
        0 as quantity_lost
    from sales

    union all

    select
        product_key,
        location_key,
        date_key,
        0 as quantity_sold,
        quantity_lost
    from lost_sales

),

days as (

    select
        product_key,
        location_key,
        date_key,
        sum(quantity_sold + quantity_lost) as units_requested,
        sum(quantity_sold) as units_sold
    from requests
    group by product_key, location_key, date_key

),

series as (

    select
        product_key,
        location_key,
        count(*) as demand_days,
        sum(units_requested) as units_requested,
        sum(units_requested * units_requested) as squared_units,
        sum(units_sold) as units_sold
    from days
    group by product_key, location_key

),

measured as (

    select
        series.*,
        -- A recovery cart may ask for a product on a day after its last.
        greatest(
            series.demand_days,
            datediff(
                least(
                    {{ last_simulated_day() }},
                    coalesce(products.end_of_life_date, {{ last_simulated_day() }})
                ),
                greatest({{ first_simulated_day() }}, products.launch_date)
            )
            + 1
        ) as days_on_sale,
        -- CV2 of the demand of days with any is variance_units / (units_requested ^ 2).
        series.demand_days * series.squared_units
        - series.units_requested * series.units_requested as variance_units
    from products
    inner join series on products.product_key = series.product_key

),

final as (

    select
        product_key,
        location_key,
        days_on_sale,
        demand_days,
        units_requested,
        units_sold,
        variance_units,
        case
            when
                days_on_sale * 100 < demand_days * {{ interval_limit }}
                and variance_units * 100 < units_requested * units_requested * {{ variation_limit }}
                then 'smooth'
            when days_on_sale * 100 < demand_days * {{ interval_limit }} then 'erratic'
            when variance_units * 100 < units_requested * units_requested * {{ variation_limit }}
                then 'intermittent'
            else 'lumpy'
        end as demand_class
    from measured

)

select * from final
