with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    -- Carts come back within a week.
    where {{ is_new('date_key', days_back=7) }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where is_abandoned and {{ is_new('date_key', days_back=7) }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

devices as (

    select * from {{ ref('web_funnel') }}

),

choices as (

    select * from {{ ref('int_choice_buckets') }}

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
        -- A cart is abandoned once, so all these lines are of one day.
        min(date_key) as date_key,
        min(opening_available) as lowest_opening_available,
        -- Value first, then the lowest key, in one number: docs/engine_notes.md#sorts-and-windows
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
        ) - count(*) as earlier_in_contents
    from contents
    group by date_key

),

numbered_before as (

    {% if is_appending() %}
        select coalesce(max(abandonment_id), 0) as last_number
        from {{ this }}
        where not {{ is_new('date_key', days_back=7) }}
    {% else %}
        select 0 as last_number
    {% endif %}

),

-- Carts are numbered before they carry much: docs/engine_notes.md#sorts-and-windows
numbered as (

    select
        contents.cart_number,
        contents.lowest_opening_available,
        cast(pmod(-contents.value_and_product, 10000000) as int) as product_key,
        numbered_before.last_number
        + days.earlier_in_contents
        + row_number() over (
            partition by contents.date_key order by contents.cart_number
        ) as abandonment_number
    from days
    inner join contents on days.date_key = contents.date_key
    cross join numbered_before

),

recovered as (

    select
        numbered.*,
        recoveries.date_key as recovery_date_key,
        coalesce(recoveries.order_cents, 0) as recovery_cents
    from numbered
    left join recoveries on numbered.cart_number = recoveries.cart_number

),

left_by_customers as (

    select
        abandoned_carts.*,
        customers.email_subscribe_flag,
        devices.device_type
    from abandoned_carts
    inner join customers on abandoned_carts.customer_key = customers.customer_key
    inner join devices on abandoned_carts.device_number = devices.device_number

),

-- From here on the small side comes first: docs/engine_notes.md#order-of-joins
described as (

    select
        left_by_customers.*,
        choices.chosen as other_reason
    from choices
    inner join left_by_customers
        on
            choices.choice_key
            = {{ drawn_choice('abandonment_reason', ['left_by_customers.cart_number']) }}

),

trigger_shares as (

    select
        max(if(suspected_reason = 'out_of_stock', trigger_share, null)) as out_of_stock_share,
        max(if(suspected_reason = 'low_inventory', trigger_share, null)) as low_inventory_share
    from reasons

),

suspected as (

    select
        described.*,
        recovered.product_key,
        recovered.abandonment_number,
        recovered.recovery_date_key,
        recovered.recovery_cents,
        case
            when
                (described.low_inventory_trigger or described.capacity_exceeded_trigger)
                and {{ uniform('inventory_suspected', ['described.cart_number']) }}
                < if(
                    recovered.lowest_opening_available = 0,
                    trigger_shares.out_of_stock_share,
                    trigger_shares.low_inventory_share
                )
                then if(recovered.lowest_opening_available = 0, 'out_of_stock', 'low_inventory')
            else described.other_reason
        end as suspected_reason
    from trigger_shares
    cross join recovered
    inner join described on recovered.cart_number = described.cart_number

),

staged_reasons as (

    select
        reasons.suspected_reason,
        reasons.abandonment_stage,
        stages.minutes_low,
        stages.minutes_high
    from reasons
    inner join stages on reasons.abandonment_stage = stages.abandonment_stage

),

staged as (

    select
        suspected.*,
        staged_reasons.abandonment_stage,
        staged_reasons.minutes_low,
        staged_reasons.minutes_high
    from staged_reasons
    inner join suspected on staged_reasons.suspected_reason = suspected.suspected_reason

),

mailed as (

    select
        staged.*,
        staged.minutes_low
        + cast(
            {{ uniform('minutes_in_cart', ['staged.cart_number']) }}
            * {{ uniform('minutes_in_cart_again', ['staged.cart_number']) }}
            * (staged.minutes_high - staged.minutes_low + 1) as int
        ) as minutes_in_cart,
        staged.email_subscribe_flag
        and {{ uniform('recovery_email_sent', ['staged.cart_number']) }}
        < recovery_emails.sent_share as is_sent,
        {{ uniform('recovery_email_opened', ['staged.cart_number']) }}
        < recovery_emails.opened_share as is_opened_if_sent,
        {{ uniform('recovery_email_clicked', ['staged.cart_number']) }}
        < recovery_emails.clicked_share as is_clicked_if_opened
    -- Known from the draws, so that mails do not change when more days are simulated.
    from recovery_emails
    inner join staged on recovery_emails.comes_back = staged.is_recovery_due

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
