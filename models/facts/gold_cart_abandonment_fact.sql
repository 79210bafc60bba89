with

carts as (

    select * from {{ ref('int_cart_outcomes') }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where is_abandoned

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

devices as (

    select * from {{ ref('web_funnel') }}

),

choice_buckets as (

    select * from {{ ref('int_choice_buckets') }}
    where choice = 'abandonment_reason'

),

reasons as (

    select * from {{ ref('abandonment_reasons') }}

),

stages as (

    select * from {{ ref('abandonment_stages') }}

),

recovery_emails as (

    select * from {{ ref('recovery_emails') }}

),

abandoned_carts as (

    select * from carts
    where is_abandoned

),

-- What the recovery carts really bought.
recoveries as (

    select * from carts
    where attempt = 2 and units_allocated > 0

),

contents as (

    select
        cart_number,
        min(opening_available) as lowest_opening_available,
        -- Value first, then the lowest key, in one number: several times faster than a struct.
        max(
            quantity_requested
            * (price_cents - discount_cents)
            * cast(10000000 as bigint)
            - product_key
        ) as value_and_product
    from outcomes
    group by cart_number

),

-- Numbers run on from day to day, so that they stay when days are added.
days as (

    select
        date_key,
        sum(count(*)) over (
            order by date_key rows between unbounded preceding and current row
        ) - count(*) as earlier_abandonments
    from abandoned_carts
    group by date_key

),

described as (

    select
        abandoned_carts.*,
        devices.device_type,
        cast(pmod(-contents.value_and_product, 10000000) as int) as product_key,
        days.earlier_abandonments
        + row_number() over (
            partition by abandoned_carts.date_key order by abandoned_carts.cart_number
        ) as abandonment_number,
        recoveries.date_key as recovery_date_key,
        coalesce(recoveries.order_cents, 0) as recovery_cents,
        customers.email_subscribe_flag,
        case
            when
                not abandoned_carts.low_inventory_trigger
                and not abandoned_carts.capacity_exceeded_trigger
                then null
            when contents.lowest_opening_available = 0 then 'out_of_stock'
            else 'low_inventory'
        end as inventory_reason,
        choice_buckets.chosen as other_reason
    from abandoned_carts
    inner join contents on abandoned_carts.cart_number = contents.cart_number
    inner join days on abandoned_carts.date_key = days.date_key
    inner join customers on abandoned_carts.customer_key = customers.customer_key
    inner join devices on abandoned_carts.device_number = devices.device_number
    inner join choice_buckets
        on
            {{ bucket('abandonment_reason', ['abandoned_carts.cart_number']) }}
            = choice_buckets.bucket
    left join recoveries on abandoned_carts.cart_number = recoveries.cart_number

),

suspected as (

    select
        described.*,
        if(
            coalesce(
                {{ uniform('inventory_suspected', ['described.cart_number']) }}
                < inventory_reasons.trigger_share,
                false
            ),
            described.inventory_reason,
            described.other_reason
        ) as suspected_reason
    from described
    left join reasons as inventory_reasons
        on described.inventory_reason = inventory_reasons.suspected_reason

),

mailed as (

    select
        suspected.*,
        reasons.abandonment_stage,
        stages.minutes_low
        + cast(
            {{ uniform('minutes_in_cart', ['suspected.cart_number']) }}
            * {{ uniform('minutes_in_cart_again', ['suspected.cart_number']) }}
            * (stages.minutes_high - stages.minutes_low + 1) as int
        ) as minutes_in_cart,
        suspected.email_subscribe_flag
        and {{ uniform('recovery_email_sent', ['suspected.cart_number']) }}
        < recovery_emails.sent_share as is_sent,
        {{ uniform('recovery_email_opened', ['suspected.cart_number']) }}
        < recovery_emails.opened_share as is_opened_if_sent,
        {{ uniform('recovery_email_clicked', ['suspected.cart_number']) }}
        < recovery_emails.clicked_share as is_clicked_if_opened
    from suspected
    inner join reasons on suspected.suspected_reason = reasons.suspected_reason
    inner join stages on reasons.abandonment_stage = stages.abandonment_stage
    -- Known from the draws, so that mails do not change when more days are simulated.
    inner join recovery_emails on suspected.is_recovery_due = recovery_emails.comes_back

),

final as (

    select
        cast(abandonment_number as int) as abandonment_id,
        concat('CART_', cast(cart_number as string)) as cart_id,
        customer_key,
        date_key,
        time_key,
        channel_key,
        value_cents / 100.0D as cart_value,
        items_count,
        low_inventory_trigger,
        inventory_constrained_items,
        minutes_in_cart,
        is_sent as recovery_email_sent,
        is_sent and is_opened_if_sent as recovery_email_opened,
        is_sent and is_opened_if_sent and is_clicked_if_opened as recovery_email_clicked,
        recovery_date_key is not null as is_recovered,
        recovery_date_key,
        recovery_cents / 100.0D as recovery_revenue,
        abandonment_stage,
        suspected_reason,
        recovery_date_key is not null as recovery_converted,
        product_key,
        location_key,
        capacity_exceeded_trigger,
        device_type,
        is_inventory_caused,
        {{ audit_columns('ecommerce') }}
    from mailed

)

select * from final
