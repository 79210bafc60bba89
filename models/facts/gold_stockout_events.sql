with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    where is_stockout

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and quantity_allocated < quantity_requested

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

lost_by_day as (

    select
        product_key,
        location_key,
        date_key,
        count(*) as lost_attempts,
        sum(quantity_requested - quantity_allocated) as lost_quantity,
        sum((quantity_requested - quantity_allocated) * (price_cents - discount_cents))
            as lost_cents
    from outcomes
    group by product_key, location_key, date_key

),

stockout_days as (

    select
        inventory.product_key,
        inventory.location_key,
        dates.calendar_date,
        -- Days of one run share its first day: each counts the days in a row up to itself.
        date_sub(dates.calendar_date, inventory.stockout_duration_days - 1) as start_date,
        dates.is_peak_season,
        lost_by_day.lost_attempts,
        lost_by_day.lost_quantity,
        lost_by_day.lost_cents
    from inventory
    inner join dates on inventory.date_key = dates.date_key
    left join lost_by_day
        on
            inventory.product_key = lost_by_day.product_key
            and inventory.location_key = lost_by_day.location_key
            and inventory.date_key = lost_by_day.date_key

),

events as (

    select
        product_key,
        location_key,
        start_date,
        max(calendar_date) as last_date,
        max(calendar_date) = {{ last_simulated_day() }} as is_ongoing,
        bool_or(is_peak_season) as is_peak_season,
        coalesce(sum(lost_attempts), 0) as lost_attempts,
        coalesce(sum(lost_quantity), 0) as lost_quantity,
        coalesce(sum(lost_cents), 0) as lost_cents
    from stockout_days
    group by product_key, location_key, start_date

),

ended as (

    select
        *,
        if(is_ongoing, null, last_date) as end_date
    from events

),

final as (

    select
        (cast({{ date_key('start_date') }} as bigint) * 10000 + location_key) * 1000000
        + product_key as stockout_id,
        product_key,
        location_key,
        {{ date_key('start_date') }} as stockout_start_date_key,
        {{ date_key('end_date') }} as stockout_end_date_key,
        cast(datediff(last_date, start_date) + 1 as int) as stockout_duration_days,
        cast(lost_attempts as int) as lost_sales_attempts,
        cast(lost_quantity as int) as lost_sales_quantity,
        lost_cents / 100.0D as lost_sales_revenue,
        is_peak_season as peak_season_flag,
        start_date as stockout_start_date,
        end_date as stockout_end_date,
        date_add(end_date, 1) as restocked_date,
        {{ audit_columns('wms') }}
    from ended

)

select * from final
