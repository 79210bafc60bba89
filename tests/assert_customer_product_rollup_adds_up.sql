-- What is rolled up by customer and product must be all that known customers did up to the last
-- Sunday, to the cent. It is calculated anew when a week has ended, and stays on other days.
{% set last_sunday = date_key(last_simulated_sunday()) %}
with

sales_fact as (

    select
        sum({{ cents('net_sales_amount') }}) as cents,
        count_if(not is_return) as line_count
    from {{ ref('gold_sales_fact') }}
    where {{ is_week_closed() }} and customer_key != 0 and date_key <= {{ last_sunday }}

),

cart_lines as (

    select count(*) as line_count
    from {{ ref('int_line_outcomes') }}
    where
        attempt != 2
        and {{ is_week_closed() }}
        and customer_key != 0
        and date_key <= {{ last_sunday }}

),

events as (

    select count(*) as view_count
    from {{ ref('gold_customer_event_fact') }}
    where
        {{ is_week_closed() }}
        and event_type = 'product_view'
        and customer_key != 0
        and date_key between {{ date_key(first_weekly_event_day()) }} and {{ last_sunday }}

),

affinity as (

    select
        sum(purchase_count) as purchase_count,
        sum(cart_add_count) as cart_add_count,
        sum(view_count) as view_count,
        sum({{ cents('total_spent') }}) as cents
    from {{ ref('gold_customer_product_affinity_agg') }}
    where {{ is_week_closed() }}

)

select
    sales_fact.cents as sales_cents,
    sales_fact.line_count as lines_sold,
    cart_lines.line_count as lines_in_carts,
    events.view_count,
    affinity.cents as affinity_cents,
    affinity.purchase_count as affinity_purchase_count,
    affinity.cart_add_count as affinity_cart_add_count,
    affinity.view_count as affinity_view_count
from sales_fact
cross join cart_lines
cross join events
cross join affinity
where
    coalesce(affinity.cents, 0) != coalesce(sales_fact.cents, 0)
    or coalesce(affinity.purchase_count, 0) != sales_fact.line_count
    or coalesce(affinity.cart_add_count, 0) != cart_lines.line_count
    or coalesce(affinity.view_count, 0) != events.view_count
