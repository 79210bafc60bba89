with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and quantity_allocated < quantity_requested
        and {{ is_new('date_key') }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}
    where
        stockout_end_date_key is null
        or {{ is_new('stockout_end_date_key') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

short_lines as (

    select
        concat(cast(cart_line_id as string), if(attempt = 1, '', 'R')) as line_digits,
        concat(cast(cart_number as string), if(attempt = 1, '', 'R')) as cart_digits,
        customer_key as customer_key_of_cart,
        product_key,
        location_key,
        channel_key,
        is_digital,
        date_key,
        {{ date_of_key('date_key') }} as calendar_date,
        time_key,
        quantity_requested,
        quantity_allocated as quantity_sold,
        quantity_requested - quantity_allocated as quantity_lost,
        price_cents / 100.0D as unit_price,
        discount_cents / 100.0D as discount_amount,
        price_cents - discount_cents as net_price_cents
    from outcomes

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
            {{ customer_number('short_lines.customer_key_of_cart') }}
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
