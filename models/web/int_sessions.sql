with

carts as (

    select * from {{ ref('int_cart_outcomes') }}
    where
        is_digital
        and date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

lives as (

    select * from {{ ref('int_customer_lives') }}

),

visitors as (

    select * from {{ ref('int_visitors') }}

),

visitor_browsers as (

    select * from {{ ref('int_visitor_browsers') }}

),

visitor_cities as (

    select * from {{ ref('int_visitor_cities') }}

),

habits as (

    select
        max(if(parameter = 'checkout_sign_in_share', parameter_value, null))
            as checkout_sign_in_share,
        max(if(parameter = 'visitors_per_slot', parameter_value, null)) as visitors_per_slot
    from {{ ref('web_habits') }}

),

browse_sessions as (

    select * from {{ ref('int_browse_sessions') }}
    where
        date_key >= {{ date_key(first_event_day()) }}
        and {{ is_new('date_key') }}

),

-- Who comes back to a cart is the same visitor: the day is that of the cart.
sessions as (

    select
        {{ session_key(
            date_of_key('carts.cart_number div 10000000000'),
            'carts.location_key',
            'carts.attempt',
            'carts.cart_number % 1000000'
        ) }} as session_key,
        carts.cart_number,
        carts.attempt,
        carts.first_cart_line_id,
        carts.items_count,
        {{ customer_number('carts.customer_key') }} as customer_number,
        carts.channel_key,
        carts.location_key,
        carts.date_key,
        carts.time_key,
        carts.device_number,
        carts.is_abandoned,
        carts.units_allocated > 0 as is_converted,
        carts.order_cents,
        if(
            carts.customer_key = 0,
            {{ anonymous_visitor_number(
                date_of_key('carts.cart_number div 10000000000'),
                'carts.location_key',
                'carts.channel_key',
                'carts.device_number',
                'carts.cart_number % 1000000',
                'habits.visitors_per_slot'
            ) }},
            {{ known_visitor_number(
                customer_number('carts.customer_key'), 'carts.device_number'
            ) }}
        ) as visitor_number,
        habits.checkout_sign_in_share
    from carts
    cross join habits

    union all

    select
        session_key,
        cast(null as bigint) as cart_number,
        cast(null as int) as attempt,
        cast(null as bigint) as first_cart_line_id,
        0 as items_count,
        customer_number,
        channel_key,
        location_key,
        date_key,
        time_key,
        device_number,
        false as is_abandoned,
        false as is_converted,
        cast(0 as bigint) as order_cents,
        visitor_number,
        0.0D as checkout_sign_in_share
    from browse_sessions

),

visits as (

    select
        *,
        -- That of an anonymous visit has no match, and is spread as wide as the others.
        if(customer_number = 0, -session_key, cast(customer_number as bigint)) as person_number,
        {{ bucket('visitor_browser', ['visitor_number']) }} as browser_bucket,
        location_key * 1000 + {{ bucket('visitor_city', ['visitor_number']) }} as visitor_city_key
    from sessions

),

-- Not of the sessions, which would be drawn a second time.
visiting as (

    select {{ customer_number('customer_key') }} as customer_number
    from carts
    where customer_key != 0

    union distinct

    select customer_number
    from visitors

),

-- Those who visit come first, as they are few among all: docs/engine_notes.md#order-of-joins
visiting_lives as (

    select
        visiting.customer_number,
        if(lives.ios, 1, 2) as system_number,
        lives.city_key
    from visiting
    inner join lives on visiting.customer_number = lives.customer_number

),

known_customers as (

    select
        customers.customer_key,
        cast(visiting_lives.customer_number as bigint) as person_number,
        customers.effective_date,
        customers.expiration_date,
        visiting_lives.system_number,
        visiting_lives.city_key
    from visiting_lives
    inner join customers
        on visiting_lives.customer_number = {{ customer_number('customers.customer_key') }}

),

attributed as (

    select
        visits.*,
        coalesce(known_customers.customer_key, 0) as customer_key,
        known_customers.city_key as home_city_key,
        {{ visitor_browser_key(
            'visits.channel_key',
            'visits.device_number',
            'coalesce(known_customers.system_number, 0)',
            'visits.browser_bucket'
        ) }} as visitor_browser_key
    from known_customers
    right join visits -- noqa: CV08
        on
            known_customers.person_number = visits.person_number
            and {{ date_of_key('visits.date_key') }}
            between known_customers.effective_date and known_customers.expiration_date

),

final as (

    select
        attributed.session_key,
        attributed.cart_number,
        attributed.attempt,
        attributed.first_cart_line_id,
        attributed.items_count,
        attributed.customer_key,
        attributed.channel_key,
        attributed.location_key,
        attributed.date_key,
        attributed.time_key,
        attributed.device_number,
        attributed.is_abandoned,
        attributed.is_converted,
        attributed.order_cents,
        attributed.visitor_number,
        -- A phone without a browser of its system in the seed has the first one.
        coalesce(visitor_browsers.browser_number, 1) as browser_number,
        coalesce(attributed.home_city_key, visitor_cities.city_key) as city_key,
        attributed.customer_key != 0
        and {{ uniform('checkout_sign_in', ['attributed.session_key']) }}
        >= attributed.checkout_sign_in_share as is_signed_in
    from visitor_browsers
    right join attributed -- noqa: CV08
        on visitor_browsers.visitor_browser_key = attributed.visitor_browser_key
    left join visitor_cities on attributed.visitor_city_key = visitor_cities.visitor_city_key

)

select * from final
