with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where not is_abandoned and {{ is_new('date_key', days_back=longest_wait()) }}

),

short_lines as (

    select
        *,
        date_add({{ date_of_key('date_key') }}, wait_lag_days) as later_visit_date
    from outcomes
    where quantity_allocated < quantity_requested

),

later_visits as (

    select * from outcomes
    where attempt = 4

),

final as (

    select
        short_lines.cart_line_id,
        short_lines.attempt,
        short_lines.date_key,
        short_lines.location_key,
        short_lines.product_key,
        short_lines.cart_number,
        short_lines.customer_key,
        short_lines.channel_key,
        short_lines.time_key,
        short_lines.is_digital,
        short_lines.quantity_requested,
        short_lines.quantity_allocated,
        short_lines.quantity_requested - short_lines.quantity_allocated as quantity_lost,
        short_lines.price_cents,
        short_lines.discount_cents,
        short_lines.substitute_product_key,
        short_lines.quantity_substituted,
        short_lines.wait_lag_days,
        if(
            short_lines.later_visit_date <= {{ last_simulated_day() }},
            {{ date_key('short_lines.later_visit_date') }},
            null
        ) as later_visit_date_key,
        coalesce(later_visits.quantity_allocated, 0) as quantity_bought_later
    from short_lines
    left join later_visits on short_lines.cart_line_id = later_visits.cart_line_id

)

select * from final
