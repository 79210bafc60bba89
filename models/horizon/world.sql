{%- set appended = [
    'gold_cart_abandonment_fact',
    'gold_cart_fact',
    'gold_channel_performance_agg',
    'gold_customer_dim',
    'gold_customer_event_fact',
    'gold_customer_product_affinity_agg',
    'gold_date_dim',
    'gold_demand_forecast_fact',
    'gold_inventory_fact',
    'gold_inventory_movement_fact',
    'gold_lost_sales_fact',
    'gold_promotion_dim',
    'gold_sales_daily_agg',
    'gold_sales_fact',
    'gold_sales_monthly_agg',
    'gold_sales_weekly_agg',
    'gold_size_fit_bridge',
    'gold_stockout_events',
] -%}

-- The row says that all of these are complete, so it comes after them and their tests. Few columns
-- of a merged table are not null: docs/engine_notes.md#merges
{%- for name in appended %}
-- depends_on: {{ ref(name) }}
{%- endfor %}
with

simulated_days as (

    select * from {{ ref('int_simulated_days') }}

),

closings as (

    {% if is_appending() %}
        select
            coalesce(
                max(earlier.last_closed_date), max(date_sub(simulated_days.first_date, 1))
            ) as closed_before
        from simulated_days
        left join {{ this }} as earlier on earlier.last_closed_date < simulated_days.last_date
    {% else %}
        select date_sub(first_date, 1) as closed_before
        from simulated_days
    {% endif %}

),

final as (

    select
        simulated_days.last_date as last_closed_date,
        simulated_days.first_date,
        cast(datediff(simulated_days.last_date, closings.closed_before) as int) as days_added,
        cast({{ var('random_seed') }} as int) as random_seed,
        '{{ variables_as_json() | replace("'", "''") }}' as variables,
        '{{ seed_files_as_json() }}' as seed_files,
        '{{ table_versions_as_json() }}' as table_versions,
        {{ audit_columns() }}
    from simulated_days
    cross join closings

)

select * from final
