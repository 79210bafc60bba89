{%- set periods = ['daily', 'weekly', 'monthly'] -%}

with

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where not is_abandoned

),

lost_sales as (

    select * from {{ ref('gold_lost_sales_fact') }}

),

daily as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

weekly as (

    select * from {{ ref('gold_sales_weekly_agg') }}

),

monthly as (

    select * from {{ ref('gold_sales_monthly_agg') }}

),

sold as (

    select
        coalesce(sum(if(is_return, 0, quantity_sold)), 0) as units_sold,
        coalesce(sum(if(is_return, quantity_sold, 0)), 0) as units_returned,
        coalesce(sum({{ cents('net_sales_amount') }}), 0) as net_cents
    from sales

),

requested as (

    select coalesce(sum(units_requested), 0) as units_requested
    from carts

),

lost as (

    select coalesce(sum(quantity_lost), 0) as units_lost
    from lost_sales

),

{% for period in periods %}
    {{ period }}_totals as (

        select
            coalesce(sum(units_sold), 0) as units_sold,
            coalesce(sum(units_returned), 0) as units_returned,
            coalesce(sum({{ cents('net_revenue') }}), 0) as net_cents,
            coalesce(sum(units_requested), 0) as units_requested,
            coalesce(sum(units_lost), 0) as units_lost
        from {{ period }}

    ),

{% endfor %}
final as (

    select
        inline(array( -- noqa: AL03
            named_struct(
                'validation_id', '7a',
                'check_id', 'units_requested_sold_and_lost',
                'validation_name', 'Units requested less sold and lost',
                'measured_value', cast(
                    requested.units_requested - sold.units_sold - lost.units_lost as double
                ),
                'expected_min', 0.0D,
                'expected_max', 0.0D,
                'detail', concat(
                    'surviving carts asked for ',
                    cast(requested.units_requested as string),
                    ' units; ',
                    cast(sold.units_sold as string),
                    ' were sold and ',
                    cast(lost.units_lost as string),
                    ' lost'
                )
            ),
            {%- for validation_id, period in [
                ('7b', 'daily'),
                ('7c', 'weekly'),
                ('7d', 'monthly'),
            ] %}
                {%- set totals = period ~ '_totals' %}
                named_struct(
                    'validation_id', '{{ validation_id }}',
                    'check_id', '{{ period }}_rollup',
                    'validation_name',
                    'Units and cents by which the {{ period }} rollup differs from facts',
                    'measured_value', cast(
                        abs({{ totals }}.units_sold - sold.units_sold)
                        + abs({{ totals }}.units_returned - sold.units_returned)
                        + abs({{ totals }}.net_cents - sold.net_cents)
                        + abs({{ totals }}.units_requested - requested.units_requested)
                        + abs({{ totals }}.units_lost - lost.units_lost) as double
                    ),
                    'expected_min', 0.0D,
                    'expected_max', 0.0D,
                    'detail', concat(
                        cast({{ totals }}.units_sold as string),
                        ' units sold, ',
                        cast({{ totals }}.units_returned as string),
                        ' returned, ',
                        cast({{ totals }}.units_requested as string),
                        ' requested, ',
                        cast({{ totals }}.units_lost as string),
                        ' lost'
                    )
                ){{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from sold
    cross join requested
    cross join lost
    {%- for period in periods %}
        cross join {{ period }}_totals
    {%- endfor %}

)

select * from final
