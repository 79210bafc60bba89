{%- set sale_days = [
    ('thanksgiving', 'Thanksgiving'),
    ('black_friday', 'Black Friday'),
    ('cyber_monday', 'Cyber Monday'),
] -%}

with

dates as (

    select * from {{ ref('gold_date_dim') }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

promotions as (

    select * from {{ ref('gold_promotion_dim') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

days as (

    select
        dates.month,
        dates.holiday_name,
        count(distinct if(channels.is_digital, daily_sales.date_key, null)) as day_count,
        sum(if(channels.is_digital, {{ cents('daily_sales.gross_revenue') }}, 0)) as gross_cents
    from channels
    inner join daily_sales on channels.channel_key = daily_sales.channel_key
    inner join dates on daily_sales.date_key = dates.date_key
    group by dates.month, dates.holiday_name

),

digital_days as (

    select
        {%- for name, holiday in sale_days %}
            sum(if(holiday_name = '{{ holiday }}', day_count, 0)) as {{ name }}_days,
            sum(if(holiday_name = '{{ holiday }}', gross_cents, 0)) as {{ name }}_cents,
        {%- endfor %}
        sum(if(month = 10, day_count, 0)) as october_days,
        sum(if(month = 10, gross_cents, 0)) as october_cents
    from days

),

-- Recovery carts keep the discount of an earlier day, so they tell nothing about this one. What was
-- marked down before is listed at that price: a style that ends then would be seen in the figure.
cyber_monday as (

    select
        {{ cents('sales.net_sales_amount') }} as net_cents,
        if(
            sales.promotion_key > 0,
            {{ cents('sales.unit_price') }} * sales.quantity_sold,
            {{ cents('sales.net_sales_amount') }}
        ) as list_cents
    from dates
    inner join sales on dates.date_key = sales.date_key
    inner join channels on sales.channel_key = channels.channel_key
    inner join promotions on sales.promotion_key = promotions.promotion_key
    where
        dates.holiday_name = 'Cyber Monday'
        and channels.is_digital
        and sales.cart_id not like '%R'
        and (sales.promotion_key = 0 or promotions.product_share > 0)

),

cyber_monday_sales as (

    select
        sum(list_cents - net_cents) as discount_cents,
        sum(list_cents) as list_cents
    from cyber_monday

),

final as (

    select
        inline(array( -- noqa: AL03
            {% for name, holiday in sale_days -%}
                {{ measured_ratio(
                    name ~ '_uplift',
                    'if(' ~ name ~ '_days > 0, ' ~ name ~ '_cents * october_days, null)',
                    'october_cents * ' ~ name ~ '_days',
                    'digital sales of ' ~ holiday ~ ' by those of an October day'
                ) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from digital_days

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'cyber_monday_discount',
                'discount_cents',
                'list_cents',
                'cents off those of the list prices'
            ) }}
        ))
    from cyber_monday_sales

)

select * from final
