-- A shopper lands, fills the cart, then checks out; a bounce has one event; the ids are in the
-- order of time, so that who sorts by either reads the same visit.
with

events as (

    select
        event_id,
        event_id div 100 as session_key,
        event_id % 100 as slot,
        event_type,
        bounce_flag,
        event_timestamp,
        date_key
    from {{ ref('gold_customer_event_fact') }}
    where {{ is_new('date_key') }}

),

-- Of the visits without a cart every tenth is enough. A window per session would be slow: one of
-- all sessions of a location's day has the same neighbours.
neighbours as (

    select
        *,
        lag(session_key) over (
            partition by session_key div 10000000 order by event_id
        ) as previous_session_key,
        lag(event_timestamp) over (
            partition by session_key div 10000000 order by event_id
        ) as previous_timestamp
    from events
    where
        {{ attempt_of_session_key('session_key') }} > 0
        or session_key % 10 = 0

),

visits as (

    select
        session_key,
        count(*) as event_count,
        bool_or(bounce_flag) as is_bounce,
        min(if(event_type = 'page_view', slot, null)) as first_page_slot,
        min(slot) as first_slot,
        max(slot) as last_slot,
        max(
            if(event_type in ('add_to_cart', 'remove_from_cart'), slot, null)
        ) as last_cart_slot,
        min(if(event_type = 'checkout_start', slot, null)) as start_slot,
        min(if(event_type = 'checkout_complete', slot, null)) as complete_slot,
        bool_or(
            coalesce(
                session_key = previous_session_key and event_timestamp <= previous_timestamp,
                false
            )
        ) as goes_back,
        min(date_key) != max(date_key) as crosses_midnight
    from neighbours
    group by session_key

)

select *
from visits
where
    goes_back
    or crosses_midnight
    or is_bounce != (event_count = 1)
    or first_page_slot != first_slot
    or first_page_slot is null
    or last_cart_slot > start_slot
    or start_slot > complete_slot
    or complete_slot < last_slot
