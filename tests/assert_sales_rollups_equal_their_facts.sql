-- A rollup that counts a line twice or loses one misleads every report built on it: days equal the
-- facts, weeks and months equal the days. That none is missing as a whole is validation 7b to 7d.
{% set begins = {
    'daily': is_new('date_key'),
    'weekly': is_in_open('week', 'week_start_date_key'),
    'monthly': is_in_open('month', 'month_start_date_key'),
} %}
{% set units = ['order_count', 'units_sold', 'units_returned', 'units_lost'] %}
{% set amounts = [
    'gross_revenue', 'returned_revenue', 'net_revenue', 'gross_margin', 'lost_revenue'
] %}
{% set sums, expected_sums = [], [] %}
{% for column in units + amounts %}
    {% do sums.append(
        'sum(' ~ (column if column in units else cents(column)) ~ ') as ' ~ column
    ) %}
    {% do expected_sums.append('coalesce(expected.' ~ column ~ ', 0) as expected_' ~ column) %}
{% endfor %}
with

rollup_rows as (

    {% for period, is_open in begins.items() %}
        select
            '{{ period }}' as period,
            category_level_1,
            location_key,
            channel_key,
            units_requested,
            {{ (units + amounts) | join(', ') }}
        from {{ ref('gold_sales_' ~ period ~ '_agg') }}
        where {{ is_open }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

daily_rows as (

    {% for period in ['week', 'month'] %}
        select
            '{{ period }}ly' as period,
            category_level_1,
            location_key,
            channel_key,
            {{ (units + amounts) | join(', ') }}
        from {{ ref('gold_sales_daily_agg') }}
        where {{ is_in_open(period, 'date_key') }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

days as (

    select
        period,
        category_level_1,
        location_key,
        channel_key,
        {{ sums | join(', ') }}
    from daily_rows
    group by period, category_level_1, location_key, channel_key

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
        sum(if(sales.is_return, 0, {{ cents('sales.net_sales_amount') }})) as gross_revenue,
        sum(if(sales.is_return, -{{ cents('sales.net_sales_amount') }}, 0)) as returned_revenue,
        sum({{ cents('sales.net_sales_amount') }}) as net_revenue,
        sum({{ cents('sales.gross_margin_amount') }}) as gross_margin
    from {{ ref('gold_product_dim') }} as products
    inner join {{ ref('gold_sales_fact') }} as sales
        on products.product_key = sales.product_key
    where {{ is_new('sales.date_key') }}
    group by products.category_level_1, sales.location_key, sales.channel_key

),

lost as (

    select
        products.category_level_1,
        lost_sales.location_key,
        lost_sales.channel_key,
        sum(lost_sales.quantity_lost) as units_lost,
        sum({{ cents('lost_sales.lost_revenue') }}) as lost_revenue
    from {{ ref('gold_product_dim') }} as products
    inner join {{ ref('gold_lost_sales_fact') }} as lost_sales
        on products.product_key = lost_sales.product_key
    where {{ is_new('lost_sales.date_key') }}
    group by products.category_level_1, lost_sales.location_key, lost_sales.channel_key

),

facts as (

    select
        'daily' as period,
        coalesce(sales.category_level_1, lost.category_level_1) as category_level_1,
        coalesce(sales.location_key, lost.location_key) as location_key,
        coalesce(sales.channel_key, lost.channel_key) as channel_key,
        sales.order_count,
        sales.units_sold,
        sales.units_returned,
        lost.units_lost,
        sales.gross_revenue,
        sales.returned_revenue,
        sales.net_revenue,
        sales.gross_margin,
        lost.lost_revenue
    from sales
    full outer join lost
        on
            sales.category_level_1 = lost.category_level_1
            and sales.location_key = lost.location_key
            and sales.channel_key = lost.channel_key

),

expected as (

    select * from facts
    union all
    select * from days

),

rollups as (

    select
        period,
        category_level_1,
        location_key,
        channel_key,
        sum(units_requested) as units_requested,
        {{ sums | join(', ') }}
    from rollup_rows
    group by period, category_level_1, location_key, channel_key

)

select
    rollups.*,
    {{ expected_sums | join(', ') }}
from rollups
left join expected
    on
        rollups.period = expected.period
        and rollups.category_level_1 = expected.category_level_1
        and rollups.location_key = expected.location_key
        and rollups.channel_key = expected.channel_key
where
    rollups.units_requested != rollups.units_sold + rollups.units_lost
    {% for column in units + amounts %}
        or rollups.{{ column }} != coalesce(expected.{{ column }}, 0)
    {% endfor %}
