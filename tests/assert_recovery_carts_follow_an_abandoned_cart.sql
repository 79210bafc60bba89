-- A recovery cart is the same cart on a later day, with substitutes where it was short, and the
-- abandonment is recovered exactly when it got at least one unit.
with

carts as (

    select
        *,
        {{ date_of_key('date_key') }} as calendar_date
    from {{ ref('gold_cart_fact') }}
    -- Carts come back within a week.
    where {{ is_new('date_key', days_back=7) }}

),

abandonments as (

    select * from {{ ref('gold_cart_abandonment_fact') }}
    where {{ is_new('date_key', days_back=7) }}

),

abandoned_carts as (

    select * from carts
    where is_abandoned

),

recovery_carts as (

    select * from carts
    where recovered_from_cart_id is not null

),

wrong_recovery_carts as (

    select
        'recovery cart' as problem,
        recovery_carts.cart_id
    from recovery_carts
    left join abandoned_carts
        on recovery_carts.recovered_from_cart_id = abandoned_carts.cart_id
    where
        {{ is_new('recovery_carts.date_key') }}
        and (
            abandoned_carts.cart_id is null
            or recovery_carts.is_abandoned
            or datediff(recovery_carts.calendar_date, abandoned_carts.calendar_date)
            not between 1 and 7
            or recovery_carts.time_key != abandoned_carts.time_key
            or recovery_carts.location_key != abandoned_carts.location_key
            or recovery_carts.items_count < abandoned_carts.items_count
            or recovery_carts.cart_value < abandoned_carts.cart_value
            or (
                recovery_carts.units_lost = 0
                and recovery_carts.cart_value != abandoned_carts.cart_value
            )
        )

),

wrong_abandonments as (

    select
        'abandonment' as problem,
        coalesce(abandoned_carts.cart_id, abandonments.cart_id) as cart_id
    from abandonments
    full outer join abandoned_carts on abandonments.cart_id = abandoned_carts.cart_id
    left join recovery_carts
        on
            abandoned_carts.cart_id = recovery_carts.recovered_from_cart_id
            and recovery_carts.units_sold > 0
    where
        abandonments.cart_id is null
        or abandoned_carts.cart_id is null
        or abandonments.is_recovered != (recovery_carts.cart_id is not null)
        or abandonments.recovery_date_key != recovery_carts.date_key
        or abandonments.recovery_revenue > recovery_carts.cart_value
        -- A recovery cart that got everything paid its value.
        or (
            recovery_carts.units_lost = 0
            and abandonments.recovery_revenue != recovery_carts.cart_value
        )

)

select * from wrong_recovery_carts
union all
select * from wrong_abandonments
