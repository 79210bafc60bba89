with

allocation as (

    select * from {{ ref('int_allocation') }}

),

replenishment_plan as (

    select * from {{ ref('int_replenishment_plan') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

supply_calendar as (

    select * from {{ ref('int_supply_calendar') }}

),

-- Joined before the days are unfolded: thirty times fewer rows.
positions as (

    select
        allocation.product_key,
        allocation.location_key,
        replenishment_plan.planned_daily_demand,
        replenishment_plan.reorder_point,
        replenishment_plan.reorder_quantity,
        {{ cents('products.unit_cost') }} as cost_cents,
        {{ cents('products.base_price') }} as price_cents,
        coalesce({{ date_key('products.end_of_life_date') }}, 99991231) as last_date_key,
        allocation.stock_days
    from allocation
    inner join replenishment_plan
        on
            allocation.location_key = replenishment_plan.location_key
            and allocation.product_key = replenishment_plan.product_key
            and allocation.month_key = replenishment_plan.month_key
    inner join products on allocation.product_key = products.product_key

),

days as (

    select
        product_key,
        location_key,
        planned_daily_demand,
        reorder_point,
        reorder_quantity,
        cost_cents,
        price_cents,
        last_date_key,
        -- One column for each field of the struct.
        inline(stock_days) -- noqa: AL03
    from positions

),

counted as (

    select
        *,
        quantity_available + quantity_reserved + quantity_damaged as quantity_on_hand
    from days

),

final as (

    select
        counted.product_key,
        counted.location_key,
        counted.date_key,
        counted.quantity_on_hand,
        counted.quantity_available,
        counted.quantity_reserved,
        counted.quantity_in_transit,
        counted.quantity_damaged,
        counted.quantity_available = 0 as is_stockout,
        nullif(counted.stockout_duration_days, 0) as stockout_duration_days,
        counted.last_receipt_date as last_replenishment_date,
        supply_calendar.next_receipt_date as next_replenishment_date,
        counted.quantity_on_hand * counted.cost_cents / 100.0D as inventory_value_cost,
        counted.quantity_on_hand * counted.price_cents / 100.0D as inventory_value_retail,
        cast(floor(
            counted.quantity_available / nullif(counted.planned_daily_demand, 0.0D)
        ) as int) as days_of_supply,
        cast(floor(
            (counted.quantity_on_hand + counted.quantity_in_transit)
            / nullif(counted.planned_daily_demand, 0.0D)
        ) as int) as stock_cover_days,
        counted.reorder_point,
        counted.reorder_quantity,
        counted.quantity_available > 60 * counted.planned_daily_demand as is_overstock,
        counted.date_key > counted.last_date_key as is_discontinued,
        {{ audit_columns('wms') }}
    from counted
    inner join supply_calendar
        on
            counted.location_key = supply_calendar.location_key
            and counted.date_key = supply_calendar.date_key

)

select * from final
