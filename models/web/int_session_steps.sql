-- A table of its own: docs/engine_notes.md#small-tables
with

steps as (

    select * from {{ ref('web_session_steps') }}

),

pages as (

    select * from {{ ref('web_pages') }}

),

event_types as (

    select * from {{ ref('web_event_types') }}

),

script_buckets as (

    {{ weighted_buckets(ref('web_session_scripts'), ['script'], ['part']) }}

),

script_lengths as (

    select
        part,
        script,
        count(*) as step_count
    from steps
    group by part, script

),

final as (

    select
        script_buckets.part,
        script_buckets.bucket,
        {{ session_script_key('script_buckets.part', 'script_buckets.bucket') }} as script_key,
        steps.step,
        steps.event_type,
        event_types.event_category,
        event_types.carries_value,
        steps.event_action,
        pages.page_number,
        -- Which product of the part the page is about, 0 for a general page.
        steps.product_number,
        -- A product has several search terms, other pages but one: int_product_pages.
        if(pages.completed_by = 'search_term', 8, 1) as page_variants,
        steps.event_type in ('checkout_start', 'checkout_complete') as is_checkout,
        script_buckets.part = 'browse' and script_lengths.step_count = 1 as bounce_flag
    from script_buckets
    inner join script_lengths
        on
            script_buckets.part = script_lengths.part
            and script_buckets.script = script_lengths.script
    inner join steps
        on
            script_buckets.part = steps.part
            and script_buckets.script = steps.script
    inner join pages on steps.page = pages.page
    inner join event_types on steps.event_type = event_types.event_type

)

select * from final
