-- Each review orders up to the level of the plan in whole packs, whatever was sold, but nothing
-- below the least order; receipts come on calendar days only and bring what one review ordered.
-- No store has a receipt on a day on which it is closed.
with

events as (

    select * from {{ ref('int_stock_events') }}
    -- No lead time is longer than 60 days.
    where {{ is_new('date_key', days_back=60) }}

),

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where {{ is_new('date_key') }}

),

replenishment_plan as (

    select * from {{ ref('int_replenishment_plan') }}
    -- The months that hold new days.
    where {{ is_new('month_key * 100 + 31') }}

),

supply_calendar as (

    select * from {{ ref('int_supply_calendar') }}
    where {{ is_new('date_key') }}

),

-- When orders of these days arrive.
arrivals as (

    select * from {{ ref('int_supply_calendar') }}
    where {{ is_new('date_key', days_back=60) }}

),

store_days as (

    select * from {{ ref('int_traffic_plan') }}
    where channel_group = 'store'

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

reviews as (

    select
        inventory.product_key,
        inventory.location_key,
        inventory.date_key,
        greatest(
            0,
            replenishment_plan.order_up_to_level
            - inventory.quantity_available
            - inventory.quantity_in_transit
        ) as missing_quantity,
        replenishment_plan.pack_units,
        replenishment_plan.minimum_order_units,
        array_contains(replenishment_plan.failed_order_days, inventory.date_key % 100)
            as supplier_fails
    from inventory
    inner join supply_calendar
        on
            inventory.location_key = supply_calendar.location_key
            and inventory.date_key = supply_calendar.date_key
            and supply_calendar.is_review_day
    inner join replenishment_plan
        on
            inventory.product_key = replenishment_plan.product_key
            and inventory.location_key = replenishment_plan.location_key
            and inventory.date_key div 100 = replenishment_plan.month_key
            and inventory.date_key <= replenishment_plan.last_order_date_key

),

orders_of_reviews as (

    select
        product_key,
        location_key,
        date_key,
        (missing_quantity + pack_units - 1) div pack_units * pack_units as pack_quantity,
        minimum_order_units,
        supplier_fails
    from reviews

),

-- What is ranged later is ordered once before, to come then: that order never fails.
launches as (

    select
        replenishment_plan.product_key,
        replenishment_plan.location_key,
        supply_calendar.date_key,
        if(
            replenishment_plan.order_up_to_level > 0,
            greatest(
                replenishment_plan.minimum_order_units,
                (replenishment_plan.order_up_to_level + replenishment_plan.pack_units - 1)
                div replenishment_plan.pack_units * replenishment_plan.pack_units
            ),
            0
        ) as wanted_quantity,
        false as supplier_fails
    from replenishment_plan
    inner join supply_calendar
        on
            replenishment_plan.location_key = supply_calendar.location_key
            and replenishment_plan.month_key = supply_calendar.date_key div 100
            and {{ date_of_key('replenishment_plan.ranged_from_date_key') }}
            = date_add(supply_calendar.calendar_date, supply_calendar.lead_time_days)

),

expected_orders as (

    select
        product_key,
        location_key,
        date_key,
        if(pack_quantity < minimum_order_units, 0, pack_quantity) as wanted_quantity,
        supplier_fails
    from orders_of_reviews
    union all
    select * from launches

),

orders as (

    select * from events
    where event_type in ('order', 'failed_order') and {{ is_new('date_key') }}

),

wrong_orders as (

    select
        'order' as problem,
        coalesce(expected_orders.product_key, orders.product_key) as product_key,
        coalesce(expected_orders.location_key, orders.location_key) as location_key,
        coalesce(expected_orders.date_key, orders.date_key) as date_key
    from expected_orders
    full outer join orders
        on
            expected_orders.product_key = orders.product_key
            and expected_orders.location_key = orders.location_key
            and expected_orders.date_key = orders.date_key
    where
        coalesce(expected_orders.wanted_quantity, 0) != coalesce(orders.quantity, 0)
        or (
            orders.quantity > 0
            and expected_orders.supplier_fails != (orders.event_type = 'failed_order')
        )

),

wrong_receipts as (

    select
        'receipt' as problem,
        receipts.product_key,
        receipts.location_key,
        receipts.date_key
    from events as receipts
    left join supply_calendar
        on
            receipts.location_key = supply_calendar.location_key
            and receipts.date_key = supply_calendar.date_key
    left join events as ordered
        on
            receipts.product_key = ordered.product_key
            and receipts.location_key = ordered.location_key
            and receipts.reference_date_key = ordered.date_key
            and ordered.event_type = 'order'
    left join arrivals
        on
            receipts.location_key = arrivals.location_key
            and receipts.reference_date_key = arrivals.date_key
    left join locations
        on receipts.location_key = locations.location_key
    left join store_days
        on receipts.date_key = store_days.date_key
    left join replenishment_plan as launched
        on
            receipts.product_key = launched.product_key
            and receipts.location_key = launched.location_key
            and receipts.date_key = launched.ranged_from_date_key
            and receipts.date_key div 100 = launched.month_key
    where
        receipts.event_type = 'receipt'
        and {{ is_new('receipts.date_key') }}
        and (
            -- A launch delivery comes in time, on a receipt day if there is one.
            not coalesce(
                supply_calendar.is_receipt_day or launched.product_key is not null, false
            )
            or coalesce(arrivals.arrival_date, supply_calendar.calendar_date)
            != supply_calendar.calendar_date
            or (locations.location_type = 'store' and store_days.day_kind = 'closed')
            -- Orders from before the first day are not in the table.
            or (
                {{ date_of_key('receipts.reference_date_key') }} >= {{ first_simulated_day() }}
                and receipts.quantity != coalesce(ordered.quantity, 0)
            )
        )

)

select * from wrong_orders
union all
select * from wrong_receipts
