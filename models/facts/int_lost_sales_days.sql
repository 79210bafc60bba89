with

short_lines as (

    select * from {{ ref('int_short_lines') }}
    where {{ is_new('date_key', days_back=longest_wait()) }}

),

final as (

    select
        product_key,
        location_key,
        date_key,
        count(*) as lost_attempts,
        sum(quantity_lost) as lost_quantity,
        sum(quantity_lost * (price_cents - discount_cents)) as lost_cents,
        sum(quantity_substituted) as substituted_quantity,
        sum(quantity_bought_later) as bought_later_quantity,
        sum(if(wait_lag_days is not null, quantity_lost, 0)) as waited_quantity
    from short_lines
    group by product_key, location_key, date_key

)

select * from final
