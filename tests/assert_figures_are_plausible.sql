-- Carts have as many lines as fashion orders, the median stockout lasts days to weeks, and most
-- customers keep their segment. So few rows that chance alone may leave a range are not judged,
-- nor is what other variables than those of size move on purpose.
with

carts as (

    select
        count(*) as row_count,
        avg(cast(items_count as double)) as measured_value
    from {{ ref('gold_cart_fact') }}

),

stockouts as (

    select
        count(*) as row_count,
        percentile(stockout_duration_days, 0.5) as measured_value
    from {{ ref('gold_stockout_events') }}

),

customers as (

    select
        count(distinct customer_id) as row_count,
        count(distinct customer_id) / cast(count(*) as double) as measured_value
    from {{ ref('gold_customer_dim') }}
    where customer_key != 0

),

figures as (

    select
        'lines per cart' as figure,
        *,
        1.7D as lowest,
        2.9D as highest,
        -- Of few products a cart often wants one that is in it already.
        {{ var('num_products') }} >= 60 as is_judged
    from carts

    union all

    select
        'median days of a stockout' as figure,
        *,
        3.0D as lowest,
        28.0D as highest,
        {{ var('target_stockout_rate') }} between 0.03 and 0.2
        and {{ var('demand_intensity') }} between 0.05 and 1
        and {{ simulated_day_count() }} >= 28 as is_judged
    from stockouts

    union all

    -- Customers change their segment every few years.
    select
        'customers per version' as figure,
        *,
        0.5D as lowest,
        1.0D as highest,
        {{ simulated_day_count() }} <= 730 as is_judged
    from customers

)

select *
from figures
where
    is_judged
    and row_count >= 1000
    and not coalesce(measured_value between lowest and highest, false)
