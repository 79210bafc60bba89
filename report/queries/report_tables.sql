-- Which tables were published, and how many rows does each have?
with

{% set tables = [
    'gold_date_dim',
    'gold_time_dim',
    'gold_channel_dim',
    'gold_location_dim',
    'gold_product_dim',
    'gold_promotion_dim',
    'gold_customer_dim',
    'gold_sales_fact',
    'gold_inventory_fact',
    'gold_inventory_movement_fact',
    'gold_stockout_events',
    'gold_lost_sales_fact',
    'gold_demand_truth',
    'gold_cart_fact',
    'gold_cart_abandonment_fact',
    'gold_customer_event_fact',
    'gold_demand_forecast_fact',
    'gold_sales_daily_agg',
    'gold_sales_weekly_agg',
    'gold_sales_monthly_agg',
    'gold_channel_performance_agg',
    'gold_customer_product_affinity_agg',
    'gold_size_fit_bridge',
    'gold_validation_results',
] %}
counted as (

    {% for table in tables %}
        select
            {{ loop.index }} as table_number,
            '{{ table }}' as table_name,
            count(*) as row_count
        from {{ ref(table) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select
    table_number,
    table_name,
    row_count
from counted
order by table_number asc
