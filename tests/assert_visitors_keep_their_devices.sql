-- A cookie lives on one device, and people own one or two: a visitor has one operating system and,
-- apart from the app, one browser; a customer seldom shows more systems in a week than one. The
-- first event of each visit of every tenth visitor is enough, and takes little memory.
with

events as (

    select
        visitor_id,
        customer_key,
        if(browser = 'App', null, browser) as web_browser,
        operating_system,
        {{ date_key(week_start(date_of_key('date_key'))) }} as week_key
    from {{ ref('gold_customer_event_fact') }}
    where
        event_type = 'page_view'
        -- The last digit is that of the device or the visitors of a slot.
        and substring(visitor_id, length(visitor_id) - 1, 1) = '0'
        and {{ is_new('date_key') }}

),

visitors as (

    select
        visitor_id,
        if(min(operating_system) = max(operating_system), 1, 2) as system_count,
        if(min(web_browser) != max(web_browser), 2, 1) as browser_count
    from events
    group by visitor_id

),

customer_weeks as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        week_key,
        count(distinct operating_system) as system_count
    from events
    where customer_key != 0
    group by {{ customer_number('customer_key') }}, week_key

),

shown as (

    select
        sum(system_count) as systems,
        count(*) as weeks
    from customer_weeks

)

select
    visitor_id,
    system_count,
    browser_count
from visitors
where
    system_count > 1
    or browser_count > 1

union all

select
    'customers' as visitor_id,
    systems as system_count,
    weeks as browser_count
from shown
where systems >= 2 * weeks
