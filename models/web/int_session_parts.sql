{%- set steps_per_part = 3 -%}
{%- set first_line_slot = 2 * steps_per_part -%}
{%- set browse_steps = 9 -%}
{%- set cart_item_page = 10 -%}
{%- set session_columns = [
    'session_key',
    'cart_number',
    'customer_key',
    'channel_key',
    'date_key',
    'day_number',
    'profile_key',
    'session_second',
    'slot_count',
    'visitor_number',
    'city_key',
    'is_signed_in',
] -%}

{%- set session_column_list -%}
    {%- for column in session_columns %}
        sessions.{{ column }},
    {%- endfor %}
{%- endset -%}

with

all_sessions as (

    select * from {{ ref('int_sessions') }}
    where {{ is_new('date_key') }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        is_digital
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

product_pages as (

    select * from {{ ref('int_product_pages') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

abandoned_carts as (

    select * from {{ ref('gold_cart_abandonment_fact') }}
    where
        date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

sessions as (

    select
        session_key,
        cart_number,
        attempt,
        first_cart_line_id,
        items_count,
        customer_key,
        channel_key,
        device_number,
        date_key,
        cast(
            datediff({{ date_of_key('date_key') }}, date '1970-01-01') as int
        ) as day_number,
        is_abandoned,
        is_converted,
        order_cents,
        {{ session_profile_key(
            'channel_key',
            'device_number',
            'browser_number',
            bucket('session_profile', ['session_key'])
        ) }} as profile_key,
        time_key div 100 * 3600
        + time_key % 100 * 60
        + {{ uniform_int('session_start', ['session_key'], 0, 899) }} as session_second,
        if(items_count = 0, {{ browse_steps }}, (items_count + 3) * {{ steps_per_part }})
            as slot_count,
        visitor_number,
        city_key,
        is_signed_in
    from all_sessions

),

-- Of a cart, its lines in their order, then their substitutes; of who comes again, what is taken.
numbered_replacements as (

    select
        cart_line_id,
        attempt,
        row_number() over (
            partition by cart_number, attempt order by cart_line_id
        ) as replacement_number,
        if(attempt = 3, count(*) over (partition by cart_number, attempt), 0) as substitutes
    from outcomes
    where attempt > 2

),

lines as (

    select
        {{- session_column_list }}
        outcomes.cart_line_id,
        case outcomes.attempt
            when 3
                then
                    sessions.items_count
                    - numbered_replacements.substitutes
                    + numbered_replacements.replacement_number
                    - 1
            when 4 then numbered_replacements.replacement_number - 1
            else outcomes.cart_line_id - sessions.first_cart_line_id
        end as lines_before,
        outcomes.product_key,
        cast(
            outcomes.quantity_requested * (outcomes.price_cents - outcomes.discount_cents) as bigint
        ) as line_cents
    from sessions
    inner join outcomes
        on
            sessions.cart_number = outcomes.cart_number
            and sessions.attempt = {{ cart_attempt('outcomes.attempt', 'outcomes.first_attempt') }}
    left join numbered_replacements
        on
            outcomes.cart_line_id = numbered_replacements.cart_line_id
            and outcomes.attempt = numbered_replacements.attempt

),

-- A product put into the cart and taken out again; never one that the shopper wants to keep.
second_thoughts as (

    select
        {{- session_column_list }}
        products.product_key,
        {{ cents('products.base_price') }} as line_cents
    from sessions
    inner join funnel
        on
            sessions.device_number = funnel.device_number
            and {{ uniform('second_thought', ['sessions.session_key']) }}
            < funnel.second_thought_share
    inner join product_pages
        on
            {{ popular_page_key(
                'sessions.date_key div 100',
                uniform_int('second_thought_product', ['sessions.session_key'], 0, 9999),
                cart_item_page
            ) }} = product_pages.page_key
    inner join products on product_pages.product_key = products.product_key
    left anti join lines
        on
            sessions.session_key = lines.session_key
            and product_pages.product_key = lines.product_key
    where sessions.items_count > 0

),

closings as (

    select
        {{- session_column_list }}
        sessions.items_count,
        sessions.order_cents,
        case
            when sessions.is_converted then 'bought'
            when not sessions.is_abandoned then 'nothing_left'
            when abandoned_carts.abandonment_stage = 'cart' then 'left_at_cart'
            else 'left_at_checkout'
        end as part
    from sessions
    left join abandoned_carts
        on
            sessions.is_abandoned
            and concat('CART_', cast(sessions.cart_number as string)) = abandoned_carts.cart_id
    where sessions.items_count > 0

),

-- What a session is made of: a visit without a cart is one part, one with a cart an opening, its
-- lines and a closing. Every part follows one script of the seeds.
parts as (

    select
        {{- session_column_list }}
        'browse' as part,
        {{ bucket('browse_script', ['sessions.session_key']) }} as script_bucket,
        0 as first_slot,
        cast(null as int) as own_product_key,
        cast(0 as bigint) as value_cents
    from sessions
    where sessions.items_count = 0

    union all

    select
        {{- session_column_list }}
        'opening' as part,
        {{ bucket('opening_script', ['sessions.session_key']) }} as script_bucket,
        0 as first_slot,
        sessions.product_key as own_product_key,
        cast(0 as bigint) as value_cents
    from lines as sessions
    where sessions.lines_before = 0

    union all

    select
        {{- session_column_list }}
        'second_thought' as part,
        0 as script_bucket,
        {{ steps_per_part }} as first_slot,
        sessions.product_key as own_product_key,
        sessions.line_cents as value_cents
    from second_thoughts as sessions

    union all

    select
        {{- session_column_list }}
        'line' as part,
        {{ bucket('line_script', ['sessions.session_key', 'sessions.lines_before']) }}
            as script_bucket,
        cast({{ first_line_slot }} + {{ steps_per_part }} * sessions.lines_before as int)
            as first_slot,
        sessions.product_key as own_product_key,
        sessions.line_cents as value_cents
    from lines as sessions

    union all

    select
        {{- session_column_list }}
        sessions.part,
        {{ bucket('closing_script', ['sessions.session_key']) }} as script_bucket,
        {{ first_line_slot }} + {{ steps_per_part }} * sessions.items_count as first_slot,
        cast(null as int) as own_product_key,
        sessions.order_cents as value_cents
    from closings as sessions

),

-- Part and bucket as one number: docs/engine_notes.md#keys-of-joins
final as (

    select
        *,
        {{ session_script_key('part', 'script_bucket') }} as script_key
    from parts

)

select * from final
