-- Who counts events by kind, device, day or hour must not meet one that contradicts itself. The
-- rules are checked on the few combinations that occur, which is faster than on every event.
with

events as (

    select * from {{ ref('gold_customer_event_fact') }}
    where {{ is_new('date_key') }}

),

kinds as (

    select
        event_type,
        event_category,
        device_type,
        bounce_flag,
        conversion_flag,
        product_key is not null as has_product,
        event_label is not null as has_label,
        search_term is not null as has_search_term,
        location_key is not null as has_location,
        event_value != 0 as has_value,
        min(event_value) as lowest_value,
        min(time_on_page_seconds) as shortest_seconds
    from events
    group by
        event_type,
        event_category,
        device_type,
        bounce_flag,
        conversion_flag,
        product_key is not null,
        event_label is not null,
        search_term is not null,
        location_key is not null,
        event_value != 0

),

-- First and last of a group, not the distinct values: a filter on those would run on every event.
times as (

    select
        date_key,
        time_key,
        min(unix_seconds(event_timestamp) div 900) as first_quarter_hour,
        max(unix_seconds(event_timestamp) div 900) as last_quarter_hour,
        timestamp_seconds(min(unix_seconds(event_timestamp) div 900) * 900) as quarter_hour_start
    from events
    group by date_key, time_key

),

wrong_kinds as (

    select concat_ws(' ', event_type, event_category, device_type) as wrong_events
    from kinds
    where
        not coalesce(
            event_type in (
                'page_view',
                'search',
                'filter_apply',
                'product_view',
                'size_guide_view',
                'add_to_cart',
                'remove_from_cart',
                'cart_view',
                'checkout_start',
                'checkout_complete'
            )
            and event_category in ('engagement', 'conversion', 'interaction')
            and device_type in ('desktop', 'mobile', 'tablet')
            and conversion_flag = (event_type = 'checkout_complete')
            and (event_type = 'page_view' or not bounce_flag)
            and has_search_term = (event_type = 'search')
            and has_product = has_label
            and has_product = (
                event_type in (
                    'product_view', 'size_guide_view', 'add_to_cart', 'remove_from_cart'
                )
            )
            and not has_location
            and (not has_value or event_type in ('add_to_cart', 'checkout_complete'))
            and lowest_value >= 0
            and shortest_seconds > 0,
            false
        )

),

wrong_times as (

    select concat_ws(' ', cast(date_key as string), cast(time_key as string)) as wrong_events
    from times
    where
        not coalesce(
            first_quarter_hour = last_quarter_hour
            and date_key = {{ date_key('quarter_hour_start') }}
            and time_key
            = hour(quarter_hour_start) * 100 + minute(quarter_hour_start),
            false
        )

)

select * from wrong_kinds
union all
select * from wrong_times
