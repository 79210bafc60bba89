-- A table of its own: docs/engine_notes.md#small-tables
with

channels as (

    select * from {{ ref('gold_channel_dim') }}
    where is_digital

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

browsers as (

    select * from {{ ref('web_browsers') }}

),

-- As int_session_profiles numbers them.
numbered as (

    select
        browser_group,
        operating_system,
        weight,
        cast(row_number() over (
            partition by browser_group order by operating_system, browser
        ) as int) as browser_number
    from browsers

),

-- The phone of a known customer has one system, and a tablet the same: system 0 is anyone's.
systems as (

    select
        numbered.browser_group,
        numbered.browser_number,
        numbered.weight,
        cast(numbers.id as int) as system_number
    from numbered
    cross join range(0, 3) as numbers
    where
        numbers.id = 0
        or numbered.browser_group not in ('mobile', 'tablet')
        or numbered.operating_system = if(numbers.id = 1, 'iOS', 'Android')

),

system_buckets as (

    {{ share_buckets(
        'systems', ['browser_number'], group_by=['browser_group', 'system_number'], buckets=1000
    ) }}

),

groups as (

    select
        channels.channel_key,
        funnel.device_number,
        {{ browser_group('channels.channel_code', 'funnel.device_type') }} as browser_group
    from channels
    cross join funnel

),

final as (

    select
        {{ visitor_browser_key(
            'groups.channel_key',
            'groups.device_number',
            'system_buckets.system_number',
            'system_buckets.bucket'
        ) }} as visitor_browser_key,
        system_buckets.browser_number
    from groups
    inner join system_buckets on groups.browser_group = system_buckets.browser_group

)

select * from final
