with

lines as (

    select * from {{ ref('int_line_outcomes') }}
    where
        quantity_allocated > 0
        -- Sales of new days, and older ones that come back on these; kept is what has no lag.
        and {{ is_new('date_key', days_back=400) }}
        and ({{ is_new('date_key') }} or return_lag_days is not null)
        and {{ is_new_date(
            'date_add(' ~ date_of_key('date_key') ~ ', coalesce(return_lag_days, 0))'
        ) }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

locations as (

    select * from {{ ref('gold_location_dim') }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

promotions as (

    select * from {{ ref('gold_promotion_dim') }}

),

later_versions as (

    select * from {{ ref('int_later_versions') }}

),

line_fits as (

    select * from {{ ref('int_line_fits') }}
    where comes_back and {{ is_new('date_key', days_back=400) }}

),

choices as (

    select * from {{ ref('int_choice_buckets') }}

),

store_days as (

    select * from {{ ref('int_traffic_plan') }}
    where channel_group = 'store'

),

product_costs as (

    select
        products.product_key,
        products.unit_cost,
        {{ cents('products.unit_cost') }} as cost_cents,
        taxonomy.fit_relevant
    from products
    inner join taxonomy on products.category_level_3 = taxonomy.category_level_3

),

sold as (

    select
        cart_line_id,
        attempt,
        first_attempt,
        cart_number,
        customer_key as customer_key_of_cart,
        product_key,
        location_key,
        channel_key,
        promotion_key,
        is_digital,
        quantity_allocated as quantity_sold,
        quantity_requested,
        inventory_at_purchase,
        price_cents,
        discount_cents,
        price_cents - discount_cents as net_price_cents,
        time_key as sale_time_key,
        {{ date_of_key('date_key') }} as sale_date,
        -- What is kept has no return date.
        date_add({{ date_of_key('date_key') }}, return_lag_days) as return_date,
        restock_delay_days
    from lines

),

-- A sold line is one row, and one more when it comes back by the last day.
sales_and_returns as (

    select
        *,
        explode(
            if(return_date <= {{ last_simulated_day() }}, array(false, true), array(false))
        ) as is_return
    from sold

),

dated as (

    select
        *,
        if(is_return, -1, 1) as sign,
        if(is_return, return_date, sale_date) as calendar_date,
        date_add(return_date, restock_delay_days) as restock_date
    from sales_and_returns
    where {{ is_new_date('if(is_return, return_date, sale_date)') }}

),

-- A recovered cart or a return may fall under a later version of the customer. The small side of
-- a join comes first: docs/engine_notes.md#order-of-joins
versioned as (

    select
        dated.*,
        coalesce(later_versions.customer_key, dated.customer_key_of_cart) as customer_key
    from later_versions
    right join dated -- noqa: CV08
        on
            later_versions.customer_number = {{ customer_number('dated.customer_key_of_cart') }}
            and dated.calendar_date
            between later_versions.effective_date and later_versions.expiration_date

),

fitted as (

    select
        versioned.*,
        line_fits.size_difference
    from line_fits
    right join versioned -- noqa: CV08
        on
            line_fits.cart_line_id = versioned.cart_line_id
            and line_fits.attempt = versioned.attempt
            and versioned.is_return

),

described as (

    select
        fitted.*,
        product_costs.unit_cost,
        product_costs.cost_cents,
        product_costs.fit_relevant,
        cast(round(locations.state_tax_rate * 100000) as bigint) as tax_hundred_thousandths,
        channels.channel_code,
        promotions.promotion_type,
        {{ opening_hours_number('locations.store_format', 'store_days.day_kind') }}
            as opening_hours_number
    from fitted
    inner join product_costs on fitted.product_key = product_costs.product_key
    inner join locations on fitted.location_key = locations.location_key
    inner join channels on fitted.channel_key = channels.channel_key
    inner join promotions on fitted.promotion_key = promotions.promotion_key
    inner join store_days on fitted.calendar_date = store_days.calendar_date

),

-- A cart is paid and delivered in one way; each returned line has a reason and an hour of its own.
chosen as (

    select
        described.*,
        payment_methods.chosen as payment_method,
        fulfillment_types.chosen as fulfillment_type,
        return_reasons.chosen as return_reason,
        return_reasons.exchange_share,
        cast(return_hours.chosen as int) as return_hour
    from described
    inner join choices as payment_methods
        on
            {{ drawn_choice(
                'payment_method', ['described.cart_number'], 'described.is_digital'
            ) }}
            = payment_methods.choice_key
    inner join choices as fulfillment_types
        on
            {{ drawn_choice(
                'fulfillment_type', ['described.cart_number'], 'described.is_digital'
            ) }}
            = fulfillment_types.choice_key
    left join choices as return_reasons
        on
            described.is_return
            and {{ drawn_return_reason(
                'described.cart_line_id', 'described.fit_relevant', 'described.size_difference'
            ) }}
            = return_reasons.choice_key
    left join choices as return_hours
        on
            described.is_return
            and {{ drawn_choice('return_hour', ['described.cart_line_id']) }}
            + 1000 * described.opening_hours_number
            = return_hours.choice_key

),

-- Texts last: the joins before carry no more than they need.
valued as (

    select
        *,
        concat(cast(cart_line_id as string), {{ line_suffix('attempt') }}) as line_digits,
        concat(
            cast(cart_number as string), {{ cart_suffix(cart_attempt('attempt', 'first_attempt')) }}
        ) as cart_digits,
        sign * quantity_sold * net_price_cents as net_cents,
        sign * quantity_sold * cost_cents as total_cost_cents,
        -- Tax of the sale is rounded once, half up; a return takes back exactly that.
        sign
        * ((quantity_sold * net_price_cents * tax_hundred_thousandths + 50000) div 100000)
            as tax_cents
    from chosen

),

final as (

    select
        -- A T marks the return of a line.
        concat('TXN_', if(is_return, concat(line_digits, 'T'), cart_digits)) as transaction_id,
        concat('LINE_', line_digits, if(is_return, 'T', '')) as line_item_id,
        customer_key,
        product_key,
        {{ date_key('calendar_date') }} as date_key,
        if(
            is_return,
            return_hour * 100
            + 15 * cast(floor({{ uniform('return_quarter_hour', ['cart_line_id']) }} * 4) as int),
            sale_time_key
        ) as time_key,
        location_key,
        channel_key,
        concat('ORD_', cart_digits) as order_number,
        if(is_digital, null, {{ place_in_store('POS', 'pos_terminal', 6) }}) as pos_terminal_id,
        if(
            channel_code = 'STORE_POS', {{ place_in_store('ASC', 'sales_associate', 12) }}, null
        ) as sales_associate_id,
        quantity_sold,
        if(is_return, quantity_sold, quantity_requested) as quantity_requested,
        not is_return and quantity_sold < quantity_requested as is_inventory_constrained,
        inventory_at_purchase,
        price_cents / 100.0D as unit_price,
        discount_cents / 100.0D as discount_amount,
        tax_cents / 100.0D as tax_amount,
        net_cents / 100.0D as net_sales_amount,
        (net_cents - total_cost_cents) / 100.0D as gross_margin_amount,
        is_return,
        if(is_return, {{ date_key('restock_date') }}, null) as return_restocked_date_key,
        is_return
        and {{ uniform('exchange', ['cart_line_id']) }} < exchange_share as is_exchange,
        promotion_key > 0 as is_promotional,
        promotion_type = 'clearance' as is_clearance,
        fulfillment_type,
        payment_method,
        unit_cost,
        return_reason,
        concat('LINE_', line_digits, if(is_return, 'T', '')) as sale_id,
        net_cents / 100.0D as revenue,
        promotion_key,
        concat('CART_', cart_digits) as cart_id,
        if(is_return, concat('LINE_', line_digits), null) as original_line_item_id,
        {{ line_role('attempt') }} as line_role,
        {{ lost_sale_id('attempt', 'cart_line_id', 'first_attempt') }} as lost_sale_id,
        if(is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from valued

)

select * from final
