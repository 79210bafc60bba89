with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and quantity_allocated < quantity_requested
        -- Shoppers who wait come again within two weeks.
        and {{ is_new('date_key', days_back=longest_wait()) }}

),

later_visits as (

    select * from {{ ref('int_line_outcomes') }}
    where attempt = 4 and {{ is_new('date_key', days_back=longest_wait()) }}

),

stockout_events as (

    select * from {{ ref('gold_stockout_events') }}
    where
        stockout_end_date_key is null
        or {{ is_new('stockout_end_date_key', days_back=longest_wait()) }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

dates as (

    select * from {{ ref('gold_date_dim') }}

),

short_lines as (

    select
        cart_line_id,
        concat(cast(cart_line_id as string), {{ line_suffix('attempt') }}) as line_digits,
        concat(cast(cart_number as string), {{ cart_suffix('attempt') }}) as cart_digits,
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
        price_cents - discount_cents as net_price_cents,
        substitute_product_key,
        quantity_substituted,
        wait_lag_days is not null as waits,
        date_add({{ date_of_key('date_key') }}, wait_lag_days) as later_visit_date
    from outcomes

),

-- What became of what was missing, as far as is known by the last day.
known_fates as (

    select
        short_lines.*,
        coalesce(later_visits.quantity_allocated, 0) as quantity_bought_later,
        short_lines.later_visit_date <= {{ last_simulated_day() }} as came_again
    from short_lines
    left join later_visits on short_lines.cart_line_id = later_visits.cart_line_id

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
        case
            when short_lines.substitute_product_key is not null
                then
                    case
                        when short_lines.quantity_substituted = 0 then 'substitute_missing'
                        when short_lines.quantity_substituted < short_lines.quantity_lost
                            then 'partly_substituted'
                        else 'substituted'
                    end
            when short_lines.waits
                then
                    case
                        when not short_lines.came_again then 'waiting'
                        when short_lines.quantity_bought_later = 0 then 'waited_in_vain'
                        when short_lines.quantity_bought_later < short_lines.quantity_lost
                            then 'partly_bought_later'
                        else 'bought_later'
                    end
            else 'left'
        end as outcome,
        short_lines.quantity_substituted,
        short_lines.quantity_bought_later,
        short_lines.quantity_lost
        - short_lines.quantity_substituted
        - short_lines.quantity_bought_later as quantity_finally_lost,
        short_lines.substitute_product_key,
        if(short_lines.came_again, {{ date_key('short_lines.later_visit_date') }}, null)
            as later_visit_date_key,
        if(short_lines.is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from known_fates as short_lines
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
