with

abandoned_carts as (

    select * from {{ ref('gold_cart_fact') }}
    where is_abandoned

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where is_abandoned

),

cart_lines as (

    select * from {{ ref('int_cart_lines') }}

),

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    where not is_return

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

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

contents as (

    select
        cart_lines.cart_number,
        concat('CART_', cast(cart_lines.cart_number as string)) as cart_id,
        max(cart_lines.abandonment_draw) as abandonment_draw,
        max(cart_lines.recovery_draw) as recovery_draw,
        min(outcomes.opening_available) as lowest_opening_available,
        -- Value first, then the lowest key, in one number: several times faster than a struct.
        max(
            cart_lines.quantity_requested
            * ({{ cents('cart_lines.unit_price') }} - {{ cents('cart_lines.discount_amount') }})
            * 10000000
            - cart_lines.product_key
        ) as value_and_product
    from outcomes
    inner join cart_lines on outcomes.cart_line_id = cart_lines.cart_line_id
    group by cart_lines.cart_number

),

-- What the recovery carts really bought.
recoveries as (

    select
        cart_id,
        max(date_key) as date_key,
        sum({{ cents('net_sales_amount') }}) as revenue_cents
    from sales_fact
    where cart_id like '%R'
    group by cart_id

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
        contents.cart_number,
        contents.abandonment_draw,
        cast(pmod(-contents.value_and_product, 10000000) as int) as product_key,
        days.earlier_abandonments
        + row_number() over (
            partition by abandoned_carts.date_key order by contents.cart_number
        ) as abandonment_number,
        contents.recovery_draw < greatest(
            cast({{ var('cart_recovery_rate') }} as double)
            - if(
                abandoned_carts.low_inventory_trigger or abandoned_carts.capacity_exceeded_trigger,
                cast({{ var('cart_abandonment_increase') }} as double),
                0.0D
            ),
            0.0D
        ) as comes_back,
        recoveries.date_key as recovery_date_key,
        coalesce(recoveries.revenue_cents, 0) as recovery_cents,
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
    inner join contents on abandoned_carts.cart_id = contents.cart_id
    inner join days on abandoned_carts.date_key = days.date_key
    inner join customers on abandoned_carts.customer_key = customers.customer_key
    inner join choice_buckets
        on {{ bucket('abandonment_reason', ['contents.cart_number']) }} = choice_buckets.bucket
    left join recoveries on concat(abandoned_carts.cart_id, 'R') = recoveries.cart_id

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
    inner join recovery_emails on suspected.comes_back = recovery_emails.comes_back

),

final as (

    select
        cast(abandonment_number as int) as abandonment_id,
        cart_id,
        customer_key,
        date_key,
        time_key,
        channel_key,
        cart_value,
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
        abandonment_draw >= base_abandonment_rate
        and abandonment_draw < abandonment_rate as is_inventory_caused,
        {{ audit_columns('ecommerce') }}
    from mailed

)

select * from final
