-- A rollup that counts a line twice or loses one misleads every report built on it. That none is
-- missing as a whole is validation 7b to 7d.
with

rollup_rows as (

    {% for period in ['daily', 'weekly', 'monthly'] %}
        select
            '{{ period }}' as period,
            category_level_1,
            location_key,
            channel_key,
            order_count,
            units_sold,
            units_returned,
            units_requested,
            units_lost,
            gross_revenue,
            returned_revenue,
            net_revenue,
            gross_margin,
            lost_revenue
        from {{ ref('gold_sales_' ~ period ~ '_agg') }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

sales as (

    select
        products.category_level_1,
        sales.location_key,
        sales.channel_key,
        -- Numbers are counted in less time than texts.
        count(distinct if(sales.is_return, null, xxhash64(sales.order_number))) as order_count,
        sum(if(sales.is_return, 0, sales.quantity_sold)) as units_sold,
        sum(if(sales.is_return, sales.quantity_sold, 0)) as units_returned,
        sum(if(sales.is_return, 0, {{ cents('sales.net_sales_amount') }})) as gross_cents,
        sum(if(sales.is_return, -{{ cents('sales.net_sales_amount') }}, 0)) as returned_cents,
        sum({{ cents('sales.net_sales_amount') }}) as net_cents,
        sum({{ cents('sales.gross_margin_amount') }}) as margin_cents
    from {{ ref('gold_product_dim') }} as products
    inner join {{ ref('gold_sales_fact') }} as sales
        on products.product_key = sales.product_key
    group by products.category_level_1, sales.location_key, sales.channel_key

),

lost as (

    select
        products.category_level_1,
        lost_sales.location_key,
        lost_sales.channel_key,
        sum(lost_sales.quantity_lost) as units_lost,
        sum({{ cents('lost_sales.lost_revenue') }}) as lost_cents
    from {{ ref('gold_product_dim') }} as products
    inner join {{ ref('gold_lost_sales_fact') }} as lost_sales
        on products.product_key = lost_sales.product_key
    group by products.category_level_1, lost_sales.location_key, lost_sales.channel_key

),

rollups as (

    select
        period,
        category_level_1,
        location_key,
        channel_key,
        sum(order_count) as order_count,
        sum(units_sold) as units_sold,
        sum(units_returned) as units_returned,
        sum(units_requested) as units_requested,
        sum(units_lost) as units_lost,
        sum({{ cents('gross_revenue') }}) as gross_cents,
        sum({{ cents('returned_revenue') }}) as returned_cents,
        sum({{ cents('net_revenue') }}) as net_cents,
        sum({{ cents('gross_margin') }}) as margin_cents,
        sum({{ cents('lost_revenue') }}) as lost_cents
    from rollup_rows
    group by period, category_level_1, location_key, channel_key

),

compared as (

    select
        rollups.*,
        coalesce(sales.order_count, 0) as expected_order_count,
        coalesce(sales.units_sold, 0) as expected_units_sold,
        coalesce(sales.units_returned, 0) as expected_units_returned,
        coalesce(sales.gross_cents, 0) as expected_gross_cents,
        coalesce(sales.returned_cents, 0) as expected_returned_cents,
        coalesce(sales.net_cents, 0) as expected_net_cents,
        coalesce(sales.margin_cents, 0) as expected_margin_cents,
        coalesce(lost.units_lost, 0) as expected_units_lost,
        coalesce(lost.lost_cents, 0) as expected_lost_cents
    from rollups
    left join sales
        on
            rollups.category_level_1 = sales.category_level_1
            and rollups.location_key = sales.location_key
            and rollups.channel_key = sales.channel_key
    left join lost
        on
            rollups.category_level_1 = lost.category_level_1
            and rollups.location_key = lost.location_key
            and rollups.channel_key = lost.channel_key

)

select *
from compared
where
    order_count != expected_order_count
    or units_sold != expected_units_sold
    or units_returned != expected_units_returned
    or gross_cents != expected_gross_cents
    or returned_cents != expected_returned_cents
    or net_cents != expected_net_cents
    or margin_cents != expected_margin_cents
    or units_lost != expected_units_lost
    or lost_cents != expected_lost_cents
    or units_requested != units_sold + units_lost
