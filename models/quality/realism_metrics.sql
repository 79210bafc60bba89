{#- Fewer days are not enough to speak of a month, nor is one month of a season. -#}
{%- set whole_month_days = 28 -%}
{%- set sale_days = [
    ('thanksgiving', 'Thanksgiving'),
    ('black_friday', 'Black Friday'),
    ('cyber_monday', 'Cyber Monday'),
] -%}

with

ranges as (

    select * from {{ ref('realism_ranges') }}

),

demand_measures as (

    select * from {{ ref('int_demand_measures') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}
    where calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

sales as (

    select * from {{ ref('gold_sales_fact') }}

),

carts as (

    select * from {{ ref('gold_cart_fact') }}

),

abandonments as (

    select * from {{ ref('gold_cart_abandonment_fact') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

movements as (

    select * from {{ ref('gold_inventory_movement_fact') }}

),

daily_sales as (

    select * from {{ ref('gold_sales_daily_agg') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

stock_days as (

    select * from {{ ref('int_stockout_days') }}

),

promotion_days as (

    select * from {{ ref('int_promotion_days') }}

),

demand_plan as (

    select * from {{ ref('int_demand_plan') }}
    where is_simulated

),

location_demand as (

    select * from {{ ref('int_location_demand') }}

),

reasons as (

    select * from {{ ref('abandonment_reasons') }}

),

return_lags as (

    select * from {{ ref('return_lags') }}

),

-- Stock -------------------------------------------------------------------------------------------

stock_totals as (

    select
        sum(stock_days.position_days) as position_days,
        sum(stock_days.stockout_days) as stockout_days,
        sum(if(locations.location_type = 'store', stock_days.position_days, 0)) as store_days,
        sum(if(locations.location_type = 'store', stock_days.stockout_days, 0))
            as store_stockout_days,
        sum(if(locations.location_type = 'warehouse', stock_days.position_days, 0))
            as warehouse_days,
        sum(if(locations.location_type = 'warehouse', stock_days.stockout_days, 0))
            as warehouse_stockout_days,
        sum(if(locations.location_type = 'dc', stock_days.position_days, 0)) as dc_days,
        sum(if(locations.location_type = 'dc', stock_days.stockout_days, 0))
            as dc_stockout_days,
        sum(stock_days.stock_cents) as stock_cents
    from locations
    inner join stock_days on locations.location_key = stock_days.location_key

),

-- Those that began before the first day or still last show only a part of their length.
whole_stockouts as (

    select
        stockout_duration_days,
        row_number() over (order by stockout_duration_days, stockout_id) as duration_rank,
        count(*) over () as event_count
    from stockout_events
    where
        stockout_end_date is not null
        and stockout_start_date > {{ first_simulated_day() }}

),

stockout_durations as (

    select
        max(event_count) as event_count,
        max(if(duration_rank = (event_count + 1) div 2, stockout_duration_days, null))
            as median_days,
        max(if(duration_rank = (event_count * 9 + 9) div 10, stockout_duration_days, null))
            as days_90,
        max(if(duration_rank = (event_count * 99 + 99) div 100, stockout_duration_days, null))
            as days_99
    from whole_stockouts

),

shrinkage as (

    select
        sum(movements.quantity) as units,
        sum(movements.quantity * {{ cents('products.base_price') }}) as price_cents
    from movements
    inner join products on movements.product_key = products.product_key
    where movements.movement_reason = 'shrinkage'

),

-- Calendar ----------------------------------------------------------------------------------------

daily_totals as (

    select
        daily_sales.date_key,
        channels.is_digital,
        sum(daily_sales.units_sold) as units,
        sum({{ cents('daily_sales.gross_revenue') }}) as gross_cents,
        sum({{ cents('daily_sales.net_revenue') }}) as net_cents,
        sum({{ cents('daily_sales.gross_margin') }}) as margin_cents
    from channels
    inner join daily_sales on channels.channel_key = daily_sales.channel_key
    group by daily_sales.date_key, channels.is_digital

),

calendar_days as (

    select
        *,
        {{ week_start('calendar_date') }} as week_start,
        dayofmonth(last_day(calendar_date)) as days_in_month
    from dates

),

-- Whole weeks without a holiday: the profile of an ordinary week.
ordinary_weeks as (

    select week_start
    from calendar_days
    group by week_start
    having count(*) = 7 and count(holiday_name) = 0

),

weekday_totals as (

    select
        sum(if(daily_totals.is_digital, 0, daily_totals.units)) as store_units,
        sum(
            if(
                not daily_totals.is_digital and calendar_days.day_of_week = 2,
                daily_totals.units,
                0
            )
        ) as store_tuesday,
        sum(
            if(
                not daily_totals.is_digital and calendar_days.day_of_week = 6,
                daily_totals.units,
                0
            )
        ) as store_saturday,
        sum(
            if(
                not daily_totals.is_digital and calendar_days.day_of_week = 7,
                daily_totals.units,
                0
            )
        ) as store_sunday,
        sum(if(daily_totals.is_digital, daily_totals.units, 0)) as digital_units,
        sum(if(daily_totals.is_digital and calendar_days.day_of_week = 4, daily_totals.units, 0))
            as digital_thursday,
        sum(if(daily_totals.is_digital and calendar_days.day_of_week = 7, daily_totals.units, 0))
            as digital_sunday
    from calendar_days
    inner join ordinary_weeks on calendar_days.week_start = ordinary_weeks.week_start
    inner join daily_totals on calendar_days.date_key = daily_totals.date_key

),

day_kinds as (

    select
        {%- for name, holiday in sale_days %}
            count(
                if(
                    daily_totals.is_digital and calendar_days.holiday_name = '{{ holiday }}',
                    1,
                    null
                )
            ) as {{ name }}_days,
            sum(
                if(
                    daily_totals.is_digital and calendar_days.holiday_name = '{{ holiday }}',
                    daily_totals.gross_cents,
                    0
                )
            ) as {{ name }}_cents,
        {%- endfor %}
        sum(if(daily_totals.is_digital, 0, daily_totals.gross_cents)) as store_cents,
        sum(if(daily_totals.is_digital, daily_totals.gross_cents, 0)) as digital_cents,
        sum(daily_totals.net_cents) as net_cents,
        sum(daily_totals.net_cents - daily_totals.margin_cents) as cost_cents,
        count(if(daily_totals.is_digital and calendar_days.month = 10, 1, null)) as october_days,
        sum(
            if(
                daily_totals.is_digital and calendar_days.month = 10, daily_totals.gross_cents, 0
            )
        ) as october_cents
    from calendar_days
    inner join daily_totals on calendar_days.date_key = daily_totals.date_key

),

month_days as (

    select
        calendar_days.month,
        max(calendar_days.days_in_month) as days_in_month,
        count(distinct calendar_days.date_key) as day_count,
        sum(if(daily_totals.is_digital, 0, daily_totals.gross_cents)) as store_cents,
        sum(if(daily_totals.is_digital, daily_totals.gross_cents, 0)) as digital_cents
    from calendar_days
    inner join daily_totals on calendar_days.date_key = daily_totals.date_key
    group by calendar_days.month

),

-- Sales of a whole month; one with a few days only says nothing about it.
months as (

    select
        month,
        store_cents * days_in_month div day_count as store_cents,
        digital_cents * days_in_month div day_count as digital_cents
    from month_days
    where day_count >= {{ whole_month_days }}

),

published_months as (

    select
        metric_id,
        cast(substring(metric_id, 13) as int) as month,
        {{ millionths('(published_low + published_high) / 2') }} as share_millionths
    from ranges
    where metric_id like 'store_month_%'

),

-- Scaled so that the months of the window have together what is published for them.
month_shares as (

    select
        published_months.metric_id,
        months.store_cents,
        sum(months.store_cents) over () as window_cents,
        sum(if(months.month is null, 0, published_months.share_millionths)) over ()
            as window_millionths,
        count(months.month) over () as month_count
    from published_months
    left join months on published_months.month = months.month

),

month_totals as (

    select
        sum(if(month = 10, digital_cents, null)) as digital_october,
        if(
            count(if(month in (10, 11, 12), 1, null)) = 3,
            sum(if(month in (11, 12), digital_cents, 0)),
            null
        ) as digital_holidays
    from months

),

-- How much of a year's sales falls into the window: in the last quarter more than a quarter.
window_year as (

    select
        sum(published_months.share_millionths * 1000 div calendar_days.days_in_month)
            as year_billionths,
        count(*) as day_count
    from calendar_days
    inner join published_months on calendar_days.month = published_months.month

),

-- Carts, visits and orders ------------------------------------------------------------------------

cart_totals as (

    select
        count(if(is_digital and recovered_from_cart_id is null, 1, null)) as digital_carts,
        count(if(is_digital and recovered_from_cart_id is null and is_abandoned, 1, null))
            as digital_abandoned,
        {%- for device in ['mobile', 'desktop'] %}
            count(if(device_type = '{{ device }}' and recovered_from_cart_id is null, 1, null))
                as {{ device }}_carts,
            count(
                if(
                    device_type = '{{ device }}'
                    and recovered_from_cart_id is null
                    and is_abandoned,
                    1,
                    null
                )
            ) as {{ device }}_abandoned,
        {%- endfor %}
        count(if(is_digital and units_sold > 0, 1, null)) as digital_orders,
        sum(if(is_digital, units_sold, 0)) as digital_units,
        count(if(is_digital and units_sold > 0 and time_key div 100 in (20, 21), 1, null))
            as evening_orders,
        count(if(not is_digital and units_sold > 0, 1, null)) as store_orders,
        sum(if(is_digital, 0, units_sold)) as store_units
    from carts

),

hours as (

    select
        time_key div 100 as hour,
        count(*) as orders
    from carts
    where is_digital and units_sold > 0
    group by time_key div 100

),

busiest_hour as (

    -- Of hours with the same number of orders the first.
    select
        23 - max(orders * 100 + 23 - hour) % 100 as hour,
        max(orders) as orders
    from hours

),

session_totals as (

    select
        count(*) as session_count,
        count(if(sessions.items_count > 0, 1, null)) as cart_sessions,
        count(if(sessions.is_converted, 1, null)) as converted_sessions,
        count(if(funnel.device_type = 'mobile', 1, null)) as mobile_sessions,
        count(if(funnel.device_type = 'mobile' and sessions.is_converted, 1, null))
            as mobile_converted,
        count(if(funnel.device_type = 'desktop', 1, null)) as desktop_sessions,
        count(if(funnel.device_type = 'desktop' and sessions.is_converted, 1, null))
            as desktop_converted,
        sum(if(funnel.device_type = 'mobile', sessions.order_cents, 0)) as mobile_cents,
        sum(sessions.order_cents) as digital_cents
    from funnel
    inner join sessions on funnel.device_number = sessions.device_number

),

reason_totals as (

    select
        count(*) as abandonment_count,
        count(if(abandonments.suspected_reason = 'extra_costs', 1, null)) as extra_costs,
        count(if(abandonments.suspected_reason = 'account_required', 1, null))
            as account_required,
        count(if(abandonments.suspected_reason = 'card_trust', 1, null)) as card_trust
    from reasons
    inner join abandonments on reasons.suspected_reason = abandonments.suspected_reason
    where reasons.published_percent is not null

),

-- Returns -----------------------------------------------------------------------------------------

-- Of lines sold so long ago that every return of them has arrived.
settled_day as (

    select date_sub({{ last_simulated_day() }}, max(lag_days)) as calendar_date
    from return_lags

),

returned as (

    select
        original_line_item_id,
        date_key
    from sales
    where is_return

),

settled_lines as (

    select
        sales.line_item_id,
        sales.date_key,
        sales.channel_key,
        {{ cents('sales.net_sales_amount') }} as sold_cents
    from settled_day
    inner join sales
        on sales.date_key <= {{ date_key('settled_day.calendar_date') }}
    where not sales.is_return

),

returned_lines as (

    select
        settled_lines.channel_key,
        settled_lines.sold_cents,
        datediff(
            {{ date_of_key('returned.date_key') }}, {{ date_of_key('settled_lines.date_key') }}
        ) as lag_days
    from returned
    inner join settled_lines on returned.original_line_item_id = settled_lines.line_item_id

),

settled_or_returned as (

    select
        channel_key,
        1 as sold_lines,
        sold_cents,
        0 as returned_lines,
        cast(0 as bigint) as returned_cents
    from settled_lines

    union all

    select
        channel_key,
        0 as sold_lines,
        cast(0 as bigint) as sold_cents,
        1 as returned_lines,
        sold_cents as returned_cents
    from returned_lines

),

return_totals as (

    select
        sum(settled_or_returned.sold_cents) as sold_cents,
        sum(settled_or_returned.returned_cents) as returned_cents,
        sum(if(channels.is_digital, settled_or_returned.sold_lines, 0)) as digital_sold,
        sum(if(channels.is_digital, settled_or_returned.returned_lines, 0)) as digital_returned,
        sum(if(channels.is_digital, 0, settled_or_returned.sold_lines)) as store_sold,
        sum(if(channels.is_digital, 0, settled_or_returned.returned_lines)) as store_returned
    from channels
    inner join settled_or_returned on channels.channel_key = settled_or_returned.channel_key

),

lag_counts as (

    select
        lag_days,
        count(*) as return_count
    from returned_lines
    group by lag_days

),

running_lags as (

    select
        lag_days,
        return_count,
        sum(return_count) over (
            order by lag_days rows between unbounded preceding and current row
        ) as returns_so_far,
        sum(return_count) over () as all_returns
    from lag_counts

),

lag_totals as (

    select
        min(if(returns_so_far * 2 >= all_returns, lag_days, null)) as median_days,
        sum(if(lag_days <= 30, return_count, 0)) as within_30_days,
        sum(return_count) as return_count
    from running_lags

),

-- Promotions --------------------------------------------------------------------------------------

-- Recovery carts keep the discount of an earlier day, so they tell nothing about theirs.
promotion_sales as (

    select
        sales.date_key,
        channels.is_digital,
        sum(if(sales.promotion_key > 0, sales.quantity_sold, 0)) as promoted_units,
        sum(if(sales.promotion_key > 0, 0, sales.quantity_sold)) as other_units,
        sum(
            if(
                sales.promotion_key > 0,
                {{ cents('sales.unit_price') }} * sales.quantity_sold,
                0
            )
        ) as promoted_list_cents,
        sum(if(sales.promotion_key > 0, {{ cents('sales.net_sales_amount') }}, 0))
            as promoted_cents,
        sum(if(sales.promotion_key > 0, {{ cents('sales.gross_margin_amount') }}, 0))
            as promoted_margin_cents,
        sum(if(sales.promotion_key > 0, 0, {{ cents('sales.net_sales_amount') }}))
            as other_cents,
        sum(if(sales.promotion_key > 0, 0, {{ cents('sales.gross_margin_amount') }}))
            as other_margin_cents
    from channels
    inner join sales on channels.channel_key = sales.channel_key
    where not sales.is_return and sales.cart_id not like '%R'
    group by sales.date_key, channels.is_digital

),

-- What share of the plan the promoted products are: so much they would sell without promotion.
product_weights as (

    select
        demand_plan.product_key,
        demand_plan.month_key,
        location_demand.channel_group,
        sum(demand_plan.planned_weight) as planned_weight
    from location_demand
    inner join demand_plan on location_demand.location_key = demand_plan.location_key
    group by demand_plan.product_key, demand_plan.month_key, location_demand.channel_group

),

month_weights as (

    select
        month_key,
        channel_group,
        sum(planned_weight) as planned_weight
    from product_weights
    group by month_key, channel_group

),

promoted_weights as (

    select
        promotion_days.date_key,
        promotion_days.channel_group,
        product_weights.month_key,
        sum(product_weights.planned_weight) as planned_weight
    from promotion_days
    inner join product_weights
        on
            promotion_days.product_key = product_weights.product_key
            and promotion_days.channel_group = product_weights.channel_group
            and promotion_days.date_key div 100 = product_weights.month_key
    group by
        promotion_days.date_key, promotion_days.channel_group, product_weights.month_key

),

expected_sales as (

    select
        promotion_sales.*,
        cast(round(
            promotion_sales.other_units
            * 1000.0D
            * promoted_weights.planned_weight
            / (month_weights.planned_weight - promoted_weights.planned_weight)
        ) as bigint) as expected_thousandths
    from promoted_weights
    inner join month_weights
        on
            promoted_weights.month_key = month_weights.month_key
            and promoted_weights.channel_group = month_weights.channel_group
    inner join promotion_sales
        on
            promoted_weights.date_key = promotion_sales.date_key
            and (promoted_weights.channel_group = 'digital') = promotion_sales.is_digital
    where month_weights.planned_weight > promoted_weights.planned_weight

),

promotion_totals as (

    select
        sum(promoted_units) as units,
        sum(expected_thousandths) div 1000 as expected_units,
        sum(promoted_list_cents) div 100 as list_dollars,
        sum(promoted_cents) div 100 as dollars,
        sum(promoted_margin_cents) / cast(nullif(sum(promoted_cents), 0) as double)
            as promoted_margin,
        sum(other_margin_cents) / cast(nullif(sum(other_cents), 0) as double) as other_margin
    from expected_sales

),

cyber_monday_sales as (

    select
        sum(promotion_sales.promoted_list_cents - promotion_sales.promoted_cents)
            as discount_cents,
        sum(promotion_sales.promoted_list_cents + promotion_sales.other_cents) as list_cents
    from dates
    inner join promotion_sales on dates.date_key = promotion_sales.date_key
    where dates.holiday_name = 'Cyber Monday' and promotion_sales.is_digital

),

-- Customers ---------------------------------------------------------------------------------------

orders_and_sales as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        1 as orders,
        cast(0 as bigint) as sold_cents
    from carts
    where units_sold > 0

    union all

    select
        {{ customer_number('customer_key') }} as customer_number,
        0 as orders,
        {{ cents('net_sales_amount') }} as sold_cents
    from sales
    where not is_return

),

customers as (

    select
        customer_number,
        sum(orders) as orders,
        sum(sold_cents) as sold_cents
    from orders_and_sales
    group by customer_number

),

ranked_customers as (

    select
        orders,
        sold_cents,
        row_number() over (order by sold_cents desc, customer_number asc) as sales_rank,
        count(*) over () as customer_count
    from customers

),

customer_totals as (

    select
        count(*) as customer_count,
        count(if(orders >= 2, 1, null)) as repeat_customers,
        sum(orders) as orders,
        sum(sold_cents) as sold_cents,
        sum(if(sales_rank * 5 <= customer_count, sold_cents, 0)) as cents_of_top_fifth
    from ranked_customers

),

-- The figures -------------------------------------------------------------------------------------

measured as (

    select * from demand_measures

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'stockout_rate', 'stockout_days', 'position_days', 'product-location-days'
            ) }},
            {{ measured_ratio(
                'stockout_rate_stores',
                'store_stockout_days',
                'store_days',
                'product-location-days of stores'
            ) }},
            {{ measured_ratio(
                'stockout_rate_warehouses',
                'warehouse_stockout_days',
                'warehouse_days',
                'product-location-days of warehouses'
            ) }},
            {{ measured_ratio(
                'stockout_rate_distribution_centres',
                'dc_stockout_days',
                'dc_days',
                'product-location-days of distribution centres'
            ) }}
        ))
    from stock_totals

    union all

    select
        inline(array( -- noqa: AL03
            {% for metric_id, days in [
                ('stockout_days_median', 'median_days'),
                ('stockout_days_90', 'days_90'),
                ('stockout_days_99', 'days_99'),
            ] -%}
                named_struct(
                    'metric_id', '{{ metric_id }}',
                    'measured_value', cast({{ days }} as double),
                    'detail', concat(
                        coalesce(cast(event_count as string), 'no'),
                        ' stockouts that began after the first day and have ended'
                    )
                ){{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from stockout_durations

    union all

    select
        'inventory_turns' as metric_id,
        day_kinds.cost_cents
        / nullif(window_year.year_billionths / 1000000000.0D, 0)
        / nullif(
            stock_totals.stock_cents / cast(nullif(window_year.day_count, 0) as double), 0
        )
            as measured_value,
        concat(
            'goods sold cost ',
            coalesce(cast(day_kinds.cost_cents div 100 as string), '0'),
            ' dollars in ',
            coalesce({{ four_decimals('window_year.year_billionths / 1000000000.0D') }}, '-'),
            ' of a year by sales; average stock ',
            coalesce(
                cast(
                    stock_totals.stock_cents div 100 div nullif(window_year.day_count, 0)
                    as string
                ),
                '0'
            ),
            ' dollars at cost'
        ) as detail
    from day_kinds
    cross join window_year
    cross join stock_totals

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'shrinkage_share',
                'shrinkage.price_cents',
                'day_kinds.net_cents',
                'cents of vanished units at list price by net sales'
            ) }}
        ))
    from shrinkage
    cross join day_kinds

    union all

    select
        metric_id,
        if(
            month_count > 1,
            store_cents
            / cast(nullif(window_cents, 0) as double)
            * (window_millionths / 1000000.0D),
            null
        ) as measured_value,
        concat(
            coalesce(cast(store_cents div 100 as string), 'none'),
            ' of ',
            coalesce(cast(window_cents div 100 as string), 'no'),
            ' dollars that stores sold in ',
            cast(month_count as string),
            ' months, which have together ',
            coalesce({{ four_decimals('window_millionths / 1000000.0D') }}, '-'),
            ' of a year'
        ) as detail
    from month_shares

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'digital_november_december',
                'digital_holidays',
                'digital_october',
                'cents sold in November and December by those of October'
            ) }}
        ))
    from month_totals

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'store_saturday', 'store_saturday', 'store_units', 'units in ordinary weeks'
            ) }},
            {{ measured_ratio(
                'store_sunday', 'store_sunday', 'store_units', 'units in ordinary weeks'
            ) }},
            {{ measured_ratio(
                'store_tuesday', 'store_tuesday', 'store_units', 'units in ordinary weeks'
            ) }},
            {{ measured_ratio(
                'digital_thursday', 'digital_thursday', 'digital_units', 'units in ordinary weeks'
            ) }},
            {{ measured_ratio(
                'digital_sunday', 'digital_sunday', 'digital_units', 'units in ordinary weeks'
            ) }}
        ))
    from weekday_totals

    union all

    select
        'digital_peak_hour' as metric_id,
        cast(hour as double) as measured_value,
        concat(coalesce(cast(orders as string), 'no'), ' orders in that hour of the day')
            as detail
    from busiest_hour

    union all

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
    from day_kinds

    union all

    select
        inline(array( -- noqa: AL03
            {% for metric_id, numerator, denominator in [
                ('add_to_cart_share', 'cart_sessions', 'session_count'),
                ('conversion_rate', 'converted_sessions', 'session_count'),
                ('conversion_rate_mobile', 'mobile_converted', 'mobile_sessions'),
                ('conversion_rate_desktop', 'desktop_converted', 'desktop_sessions'),
                ('mobile_share_of_sessions', 'mobile_sessions', 'session_count'),
            ] -%}
                {{ measured_ratio(
                    metric_id, numerator, denominator, 'sessions on the days with web events'
                ) }},
            {%- endfor %}
            {{ measured_ratio(
                'mobile_share_of_sales',
                'mobile_cents',
                'digital_cents',
                'cents of orders on the days with web events'
            ) }}
        ))
    from session_totals

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'abandonment_rate',
                'cart_totals.digital_abandoned',
                'cart_totals.digital_carts',
                'digital carts'
            ) }},
            {{ measured_ratio(
                'abandonment_rate_mobile',
                'cart_totals.mobile_abandoned',
                'cart_totals.mobile_carts',
                'mobile carts'
            ) }},
            {{ measured_ratio(
                'abandonment_rate_desktop',
                'cart_totals.desktop_abandoned',
                'cart_totals.desktop_carts',
                'desktop carts'
            ) }},
            {{ measured_ratio(
                'digital_evening_share',
                'cart_totals.evening_orders',
                'cart_totals.digital_orders',
                'digital orders between 20:00 and 22:00'
            ) }},
            {{ measured_ratio(
                'units_per_order_stores',
                'cart_totals.store_units',
                'cart_totals.store_orders',
                'units by orders'
            ) }},
            {{ measured_ratio(
                'units_per_order_digital',
                'cart_totals.digital_units',
                'cart_totals.digital_orders',
                'units by orders'
            ) }},
            {{ measured_ratio(
                'order_value_stores',
                'day_kinds.store_cents',
                'cart_totals.store_orders',
                'cents by orders',
                '100.0D'
            ) }},
            {{ measured_ratio(
                'order_value_digital',
                'day_kinds.digital_cents',
                'cart_totals.digital_orders',
                'cents by orders',
                '100.0D'
            ) }}
        ))
    from cart_totals
    cross join day_kinds

    union all

    select
        inline(array( -- noqa: AL03
            {% for reason in ['extra_costs', 'account_required', 'card_trust'] -%}
                {{ measured_ratio(
                    'reason_' ~ reason,
                    reason,
                    'abandonment_count',
                    'abandonments with a reason of the survey'
                ) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from reason_totals

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'return_share_of_sales',
                'returned_cents',
                'sold_cents',
                'cents of lines whose returns are all back'
            ) }},
            {{ measured_ratio(
                'return_rate_stores',
                'store_returned',
                'store_sold',
                'lines whose returns are all back'
            ) }},
            {{ measured_ratio(
                'return_rate_digital',
                'digital_returned',
                'digital_sold',
                'lines whose returns are all back'
            ) }}
        ))
    from return_totals

    union all

    select
        inline(array( -- noqa: AL03
            named_struct(
                'metric_id', 'return_lag_median',
                'measured_value', cast(median_days as double),
                'detail', concat(
                    coalesce(cast(return_count as string), 'no'), ' returned lines'
                )
            ),
            {{ measured_ratio(
                'returns_within_30_days', 'within_30_days', 'return_count', 'returned lines'
            ) }}
        ))
    from lag_totals

    union all

    -- Mid-point (arc) elasticity: relative change of units by that of the price.
    select
        inline(array( -- noqa: AL03
            named_struct(
                'metric_id', 'price_elasticity',
                'measured_value',
                (units - expected_units)
                / cast(nullif(units + expected_units, 0) as double)
                * (list_dollars + dollars)
                / nullif(dollars - list_dollars, 0),
                'detail', concat(
                    coalesce(cast(units as string), 'no'),
                    ' promoted units where ',
                    coalesce(cast(expected_units as string), 'none'),
                    ' were to be expected, at ',
                    coalesce(cast(dollars as string), '0'),
                    ' instead of ',
                    coalesce(cast(list_dollars as string), '0'),
                    ' dollars'
                )
            ),
            named_struct(
                'metric_id', 'promotion_margin_change',
                'measured_value', promoted_margin - other_margin,
                'detail', concat(
                    'margin rate ',
                    coalesce({{ four_decimals('promoted_margin') }}, '-'),
                    ' on promotion, ',
                    coalesce({{ four_decimals('other_margin') }}, '-'),
                    ' otherwise, on the same days'
                )
            )
        ))
    from promotion_totals

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

    union all

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'repeat_customer_share',
                'customer_totals.repeat_customers',
                'customer_totals.customer_count',
                'buying customers with two orders or more'
            ) }},
            {{ measured_ratio(
                'orders_per_customer',
                'customer_totals.orders',
                'customer_totals.customer_count',
                'orders by buying customers, a year being longer than the window',
                'nullif(window_year.year_billionths / 1000000000.0D, 0)'
            ) }},
            {{ measured_ratio(
                'top_fifth_of_customers_share',
                'customer_totals.cents_of_top_fifth',
                'customer_totals.sold_cents',
                'cents of the best fifth of the buying customers'
            ) }}
        ))
    from customer_totals
    cross join window_year

),

-- Six decimals: more than is meaningful, few enough to be the same on every engine.
rounded as (

    select
        metric_id,
        {{ shown('measured_value') }} as measured_value,
        detail
    from measured

),

final as (

    select
        coalesce(ranges.metric_id, rounded.metric_id) as metric_id,
        ranges.topic,
        ranges.metric_name,
        ranges.unit,
        ranges.published_low,
        ranges.published_high,
        ranges.published_source,
        rounded.measured_value,
        ranges.origin,
        -- NULL without a published figure or without anything to measure.
        if(
            coalesce(ranges.published_low, ranges.published_high) is null,
            null,
            rounded.measured_value
            between coalesce(ranges.published_low, rounded.measured_value)
            and coalesce(ranges.published_high, rounded.measured_value)
        ) as is_in_range,
        rounded.detail,
        {{ audit_columns() }}
    from ranges
    -- A figure on one side only breaks the constraints of the table; with --empty there are none.
    {{ "left" if flags.EMPTY else "full outer" }} join rounded
        on ranges.metric_id = rounded.metric_id

)

select * from final
