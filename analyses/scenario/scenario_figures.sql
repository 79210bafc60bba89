-- What was wanted, sold, lost and ordered, and how much stock did it take, in whole numbers?
with

cart_lines as (

    select sum(quantity_requested) as cart_units
    from {{ ref('int_cart_lines') }}

),

carts as (

    select
        sum(if(is_abandoned, 0, units_requested)) as units_requested,
        sum(units_sold) as units_sold,
        sum(units_lost) as units_lost,
        count(if(is_digital and recovered_from_cart_id is null, 1, null)) as digital_carts,
        count(if(is_digital and recovered_from_cart_id is null and is_abandoned, 1, null))
            as abandoned_digital_carts
    from {{ ref('gold_cart_fact') }}

),

sales as (

    select sum({{ cents('net_sales_amount') }}) as net_cents
    from {{ ref('gold_sales_fact') }}

),

lost_sales as (

    select
        coalesce(sum({{ cents('lost_revenue') }}), 0) as lost_cents,
        coalesce(sum(quantity_substituted), 0) as units_substituted,
        coalesce(sum(quantity_bought_later), 0) as units_bought_later,
        coalesce(sum(quantity_finally_lost), 0) as units_finally_lost
    from {{ ref('gold_lost_sales_fact') }}

),

stockouts as (

    select count(*) as stockout_events
    from {{ ref('gold_stockout_events') }}

),

orders as (

    select
        coalesce(sum(if(event_type = 'order', 1, 0)), 0) as orders,
        coalesce(sum(if(event_type = 'failed_order', 1, 0)), 0) as failed_orders,
        coalesce(sum(if(event_type = 'order', quantity, 0)), 0) as units_ordered,
        coalesce(sum(if(event_type = 'receipt', quantity, 0)), 0) as units_received
    from {{ ref('int_stock_events') }}

),

inventory as (

    select
        location_key,
        count(*) as position_days,
        count(if(is_stockout, 1, null)) as stockout_days,
        sum({{ cents('inventory_value_cost') }}) as cost_cent_days
    from {{ ref('gold_inventory_fact') }}
    group by location_key

),

stock as (

    select
        sum(inventory.position_days) as position_days,
        sum(inventory.stockout_days) as stockout_days,
        sum(if(locations.location_type = 'store', inventory.position_days, 0))
            as store_position_days,
        sum(if(locations.location_type = 'store', inventory.stockout_days, 0))
            as store_stockout_days,
        sum(inventory.cost_cent_days) as cost_cent_days
    from inventory
    inner join {{ ref('gold_location_dim') }} as locations
        on inventory.location_key = locations.location_key

),

days as (

    select count(distinct date_key) as days
    from {{ ref('gold_inventory_fact') }}

)

select
    cart_lines.cart_units,
    carts.units_requested,
    carts.units_sold,
    carts.units_lost,
    lost_sales.units_substituted,
    lost_sales.units_bought_later,
    lost_sales.units_finally_lost,
    sales.net_cents,
    lost_sales.lost_cents,
    carts.digital_carts,
    carts.abandoned_digital_carts,
    stock.position_days,
    stock.stockout_days,
    stock.store_position_days,
    stock.store_stockout_days,
    stock.position_days - stock.store_position_days as digital_position_days,
    stock.stockout_days - stock.store_stockout_days as digital_stockout_days,
    stockouts.stockout_events,
    stock.cost_cent_days,
    days.days,
    orders.orders,
    orders.failed_orders,
    orders.units_ordered,
    orders.units_received
from cart_lines
cross join carts
cross join sales
cross join lost_sales
cross join stockouts
cross join orders
cross join stock
cross join days
