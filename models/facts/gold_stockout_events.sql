with

inventory as (

    select * from {{ ref('gold_inventory_fact') }}
    -- The last closed day shows which stockouts were going on; of those that ended since, somebody
    -- may come again who was there in vain.
    where is_stockout and {{ is_new('date_key', days_back=longest_wait() + 1) }}

),

lost_sales_days as (

    select * from {{ ref('int_lost_sales_days') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

-- Days of one run share its first day: each counts the days in a row up to itself.
stockout_days as (

    select
        inventory.product_key,
        inventory.location_key,
        dates.calendar_date,
        date_sub(dates.calendar_date, inventory.stockout_duration_days - 1) as start_date
    from inventory
    inner join dates on inventory.date_key = dates.date_key

),

runs as (

    select
        product_key,
        location_key,
        start_date,
        max(calendar_date) as last_date
    from stockout_days
    group by product_key, location_key, start_date

),

lost_by_run as (

    select
        runs.product_key,
        runs.location_key,
        runs.start_date,
        sum(lost_sales_days.lost_attempts) as lost_attempts,
        sum(lost_sales_days.lost_quantity) as lost_quantity,
        sum(lost_sales_days.lost_cents) as lost_cents,
        sum(lost_sales_days.substituted_quantity) as substituted_quantity,
        sum(lost_sales_days.bought_later_quantity) as bought_later_quantity
    from runs
    inner join lost_sales_days
        on
            runs.product_key = lost_sales_days.product_key
            and runs.location_key = lost_sales_days.location_key
            and lost_sales_days.date_key
            between {{ date_key('runs.start_date') }} and {{ date_key('runs.last_date') }}
    group by runs.product_key, runs.location_key, runs.start_date

),

-- Days of the peak season so far: more of them at the end of a run than at its beginning lie in it.
peak_days as (

    select
        calendar_date,
        sum(if(is_peak_season, 1, 0)) over (
            order by calendar_date rows between unbounded preceding and current row
        ) as peak_days_so_far,
        is_peak_season
    from dates

),

events as (

    select
        runs.*,
        runs.last_date = {{ last_simulated_day() }} as is_ongoing,
        first_days.is_peak_season
        or last_days.peak_days_so_far > first_days.peak_days_so_far as is_peak_season,
        coalesce(lost_by_run.lost_attempts, 0) as lost_attempts,
        coalesce(lost_by_run.lost_quantity, 0) as lost_quantity,
        coalesce(lost_by_run.lost_cents, 0) as lost_cents,
        coalesce(lost_by_run.substituted_quantity, 0) as substituted_quantity,
        coalesce(lost_by_run.bought_later_quantity, 0) as bought_later_quantity
    from runs
    inner join peak_days as first_days on runs.start_date = first_days.calendar_date
    inner join peak_days as last_days on runs.last_date = last_days.calendar_date
    left join lost_by_run
        on
            runs.product_key = lost_by_run.product_key
            and runs.location_key = lost_by_run.location_key
            and runs.start_date = lost_by_run.start_date

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
        cast(substituted_quantity as int) as substituted_quantity,
        cast(bought_later_quantity as int) as bought_later_quantity,
        cast(lost_quantity - substituted_quantity - bought_later_quantity as int)
            as finally_lost_quantity,
        {{ audit_columns('wms') }}
    from ended

)

select * from final
