with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        not is_abandoned
        and quantity_allocated < quantity_requested
        and {{ is_new('date_key', days_back=longest_wait()) }}

),

later_visits as (

    select * from {{ ref('int_line_outcomes') }}
    where attempt = 4 and {{ is_new('date_key', days_back=longest_wait()) }}

),

final as (

    select
        outcomes.product_key,
        outcomes.location_key,
        outcomes.date_key,
        count(*) as lost_attempts,
        sum(outcomes.quantity_requested - outcomes.quantity_allocated) as lost_quantity,
        sum(
            (outcomes.quantity_requested - outcomes.quantity_allocated)
            * (outcomes.price_cents - outcomes.discount_cents)
        ) as lost_cents,
        sum(outcomes.quantity_substituted) as substituted_quantity,
        sum(coalesce(later_visits.quantity_allocated, 0)) as bought_later_quantity
    from outcomes
    left join later_visits on outcomes.cart_line_id = later_visits.cart_line_id
    group by outcomes.product_key, outcomes.location_key, outcomes.date_key

)

select * from final
