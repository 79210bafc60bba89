with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

short_lines as (

    select
        concat(
            cast(cart_lines.cart_line_id as string), if(outcomes.attempt = 1, '', 'R')
        ) as line_digits,
        concat(
            cast(cart_lines.cart_number as string), if(outcomes.attempt = 1, '', 'R')
        ) as cart_digits,
        cart_lines.customer_key as first_cart_customer_key,
        cart_lines.product_key,
        cart_lines.location_key,
        cart_lines.channel_key,
        cart_lines.is_digital,
        outcomes.date_key,
        {{ date_of_key('outcomes.date_key') }} as calendar_date,
        cart_lines.time_key,
        cart_lines.quantity_requested,
        outcomes.quantity_allocated as quantity_sold,
        cart_lines.quantity_requested - outcomes.quantity_allocated as quantity_lost,
        cart_lines.unit_price,
        cart_lines.discount_amount,
        {{ cents('cart_lines.unit_price') }} - {{ cents('cart_lines.discount_amount') }}
            as net_price_cents
    from outcomes
    inner join cart_lines on outcomes.cart_line_id = cart_lines.cart_line_id
    where outcomes.quantity_allocated < cart_lines.quantity_requested

),

final as (

    select
        concat('LOST_', short_lines.line_digits) as lost_sale_id,
        concat('CART_', short_lines.cart_digits) as cart_id,
        stockout_events.stockout_id,
        customers.customer_key,
        short_lines.product_key,
        short_lines.location_key,
        short_lines.channel_key,
        short_lines.date_key,
        short_lines.time_key,
        short_lines.quantity_requested,
        short_lines.quantity_sold,
        short_lines.quantity_lost,
        short_lines.unit_price,
        short_lines.discount_amount,
        short_lines.quantity_lost * short_lines.net_price_cents / 100.0D as lost_revenue,
        dates.is_peak_season,
        if(short_lines.is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from short_lines
    inner join dates on short_lines.date_key = dates.date_key
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('short_lines.first_cart_customer_key') }}
            = {{ customer_number('customers.customer_key') }}
            and short_lines.calendar_date
            between customers.effective_date and customers.expiration_date
    -- A short line empties the shelf, so that its day is a day of an event; a missing event shows
    -- as a NULL stockout_id, which the contract refuses.
    left join stockout_events
        on
            short_lines.product_key = stockout_events.product_key
            and short_lines.location_key = stockout_events.location_key
            and short_lines.calendar_date
            between stockout_events.stockout_start_date
            and coalesce(stockout_events.stockout_end_date, {{ last_simulated_day() }})

)

select * from final
