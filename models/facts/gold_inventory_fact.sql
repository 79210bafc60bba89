with

allocation as (

    select * from {{ ref('int_allocation') }}
    where record_kind = 'stock_day' and {{ is_new('date_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

supply_calendar as (

    select * from {{ ref('int_supply_calendar') }}
    where {{ is_new('date_key') }}

),

days as (

    select
        *,
        quantity_available + quantity_reserved + quantity_damaged as quantity_on_hand
    from allocation

),

prices as (

    select
        product_key,
        {{ cents('unit_cost') }} as cost_cents,
        {{ cents('base_price') }} as price_cents,
        coalesce({{ date_key('end_of_life_date') }}, 99991231) as last_date_key
    from products

),

final as (

    select
        days.product_key,
        days.location_key,
        days.date_key,
        days.quantity_on_hand,
        days.quantity_available,
        days.quantity_reserved,
        days.quantity_in_transit,
        days.quantity_damaged,
        days.quantity_available = 0 as is_stockout,
        nullif(days.stockout_duration_days, 0) as stockout_duration_days,
        days.last_receipt_date as last_replenishment_date,
        supply_calendar.next_receipt_date as next_replenishment_date,
        days.quantity_on_hand * prices.cost_cents / 100.0D as inventory_value_cost,
        days.quantity_on_hand * prices.price_cents / 100.0D as inventory_value_retail,
        cast(floor(
            days.quantity_available / nullif(days.planned_daily_demand, 0.0D)
        ) as int) as days_of_supply,
        cast(floor(
            (days.quantity_on_hand + days.quantity_in_transit)
            / nullif(days.planned_daily_demand, 0.0D)
        ) as int) as stock_cover_days,
        days.reorder_point,
        days.reorder_quantity,
        days.quantity_available > 60 * days.planned_daily_demand as is_overstock,
        days.date_key > prices.last_date_key as is_discontinued,
        {{ audit_columns('wms') }}
    from days
    inner join prices on days.product_key = prices.product_key
    inner join supply_calendar
        on
            days.location_key = supply_calendar.location_key
            and days.date_key = supply_calendar.date_key

)

select * from final
