with

short_lines as (

    select * from {{ ref('int_short_lines') }}
    where {{ is_new('date_key', days_back=longest_wait()) }}

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

dated_lines as (

    select
        *,
        {{ date_of_key('date_key') }} as calendar_date
    from short_lines

),

final as (

    select
        concat(
            'LOST_',
            cast(short_lines.cart_line_id as string),
            {{ line_suffix('short_lines.attempt') }}
        ) as lost_sale_id,
        concat(
            'CART_',
            cast(short_lines.cart_number as string),
            {{ cart_suffix('short_lines.attempt') }}
        ) as cart_id,
        stockout_events.stockout_id,
        customers.customer_key,
        short_lines.product_key,
        short_lines.location_key,
        short_lines.channel_key,
        short_lines.date_key,
        short_lines.time_key,
        short_lines.quantity_requested,
        short_lines.quantity_allocated as quantity_sold,
        short_lines.quantity_lost,
        short_lines.price_cents / 100.0D as unit_price,
        short_lines.discount_cents / 100.0D as discount_amount,
        short_lines.quantity_lost
        * (short_lines.price_cents - short_lines.discount_cents) / 100.0D as lost_revenue,
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
            when short_lines.wait_lag_days is not null
                then
                    case
                        when short_lines.later_visit_date_key is null then 'waiting'
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
        short_lines.later_visit_date_key,
        if(short_lines.is_digital, 'ecommerce', 'pos') as source_system,
        {{ audit_columns() }}
    from dated_lines as short_lines
    inner join dates on short_lines.date_key = dates.date_key
    -- A recovery cart may fall under a later version of the customer.
    inner join customers
        on
            {{ customer_number('short_lines.customer_key') }}
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
