-- What does a stock history look like: of a fast mover that runs out now and then, in a store and
-- online, and of a product in a store that loses most to a long stockout?
{% set position = "cast(product_key as bigint) * 10000 + location_key" %}
-- What each table says of a day.
{% set sources = {
    'inventory': {
        'quantity_available': 'quantity_available',
        'quantity_in_transit': 'quantity_in_transit',
        'is_stockout': 'is_stockout',
    },
    'movements': {
        'units_received': "if(movement_type = 'receipt', quantity, 0)",
        'units_returned': "if(movement_type = 'return', quantity, 0)",
    },
    'sales': {'units_sold': 'quantity_sold'},
    'lost_sales': {'units_lost': 'quantity_lost'},
} %}
with

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

inventory as (

    select * from {{ ref('gold_inventory_fact') }}

),

movements as (

    select * from {{ ref('gold_inventory_movement_fact') }}
    where movement_type in ('receipt', 'return')

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

position_sales as (

    select
        product_key,
        location_key,
        sum(quantity_sold) as units_sold
    from sales
    group by product_key, location_key

),

position_stockouts as (

    select
        product_key,
        location_key,
        min(stockout_start_date_key) as first_stockout_date_key,
        max(stockout_duration_days) as longest_stockout_days,
        count(if(restocked_date is null, 1, null)) as open_stockouts
    from stockout_events
    group by product_key, location_key

),

position_deliveries as (

    select
        product_key,
        location_key,
        min(date_key) as first_delivery_date_key,
        count(*) as deliveries
    from movements
    where movement_type = 'receipt'
    group by product_key, location_key

),

-- The best sellers with some deliveries that ran out and were back within a week; without such,
-- any.
ranked_sellers as (

    select
        locations.channel,
        position_sales.product_key,
        position_sales.location_key,
        row_number() over (
            partition by locations.channel
            order by
                coalesce(
                    position_deliveries.deliveries >= 3
                    and position_deliveries.first_delivery_date_key
                    < position_stockouts.first_stockout_date_key
                    and position_stockouts.longest_stockout_days <= 7
                    and position_stockouts.open_stockouts = 0,
                    false
                ) desc,
                position_sales.units_sold desc,
                position_sales.product_key asc,
                position_sales.location_key asc
        ) as sales_rank
    from locations
    inner join position_sales on locations.location_key = position_sales.location_key
    left join position_stockouts
        on
            position_sales.product_key = position_stockouts.product_key
            and position_sales.location_key = position_stockouts.location_key
    left join position_deliveries
        on
            position_sales.product_key = position_deliveries.product_key
            and position_sales.location_key = position_deliveries.location_key

),

best_sellers as (

    select
        if(channel = 'physical', 'store', 'online') as example,
        product_key,
        location_key
    from ranked_sellers
    where sales_rank = 1

),

-- Two to six weeks that ended, when there are such, of another product; the one that cost most.
ranked_stockouts as (

    select
        stockout_events.product_key,
        stockout_events.location_key,
        row_number() over (
            order by
                stockout_events.stockout_duration_days between 14 and 42
                and stockout_events.restocked_date is not null desc,
                stockout_events.lost_sales_quantity desc,
                stockout_events.stockout_duration_days desc,
                stockout_events.product_key asc,
                stockout_events.location_key asc
        ) as stockout_rank
    from locations
    inner join stockout_events on locations.location_key = stockout_events.location_key
    left join best_sellers on stockout_events.product_key = best_sellers.product_key
    where locations.channel = 'physical' and best_sellers.product_key is null

),

chosen as (

    select
        example,
        product_key,
        location_key
    from best_sellers

    union all

    select
        'stockout' as example,
        product_key,
        location_key
    from ranked_stockouts
    where stockout_rank = 1

),

-- One row, with which millions of days are compared as they are read; for a join the engine would
-- keep them all until the examples are chosen.
chosen_positions as (

    select
        max(if(example = 'store', {{ position }}, null)) as store_position,
        max(if(example = 'online', {{ position }}, null)) as online_position,
        max(if(example = 'stockout', {{ position }}, null)) as stockout_position
    from chosen

),

-- Stacked, so that the examples are chosen once and each table is read once.
changes as (

    {% for source, found in sources.items() %}
        select
            product_key,
            location_key,
            date_key,
            {{ found.get('quantity_available', 'null') }} as quantity_available,
            {{ found.get('quantity_in_transit', 'null') }} as quantity_in_transit,
            {{ found.get('is_stockout', 'null') }} as is_stockout,
            {{ found.get('units_received', 0) }} as units_received,
            {{ found.get('units_returned', 0) }} as units_returned,
            {{ found.get('units_sold', 0) }} as units_sold,
            {{ found.get('units_lost', 0) }} as units_lost
        from {{ source }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

chosen_changes as (

    select
        case {{ position }}
            when chosen_positions.store_position then 'store'
            when chosen_positions.online_position then 'online'
            else 'stockout'
        end as example,
        changes.*
    from chosen_positions
    cross join changes
    where
        {{ position }} in (
            chosen_positions.store_position,
            chosen_positions.online_position,
            chosen_positions.stockout_position
        )

),

days as (

    select
        example,
        product_key,
        location_key,
        date_key,
        max(quantity_available) as quantity_available,
        max(quantity_in_transit) as quantity_in_transit,
        bool_or(is_stockout) as is_stockout,
        sum(units_received) as units_received,
        sum(units_returned) as units_returned,
        sum(units_sold) as units_sold,
        sum(units_lost) as units_lost
    from chosen_changes
    group by example, product_key, location_key, date_key

)

select
    days.example,
    products.product_name,
    products.product_id,
    products.category_level_2,
    locations.location_name,
    {{ date_of_key('days.date_key') }} as calendar_date,
    days.quantity_available,
    days.quantity_in_transit,
    days.is_stockout,
    days.units_received,
    days.units_returned,
    days.units_sold,
    days.units_lost
from days
inner join products on days.product_key = products.product_key
inner join locations on days.location_key = locations.location_key
where days.quantity_available is not null
order by days.example asc, calendar_date asc
