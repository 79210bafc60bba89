-- A session draws one of a thousand profiles of its channel, device and browser, which are filled
-- here by draws. A table of its own: docs/engine_notes.md#small-tables
with

channels as (

    select * from {{ ref('gold_channel_dim') }}
    where is_digital

),

funnel as (

    select * from {{ ref('web_funnel') }}

),

referrer_buckets as (

    {{
        weighted_buckets(
            ref('web_referrers'),
            ['traffic_source', 'referrer_url', 'utm_source', 'utm_medium', 'utm_campaign'],
            ['channel_category']
        )
    }}

),

browsers as (

    select
        browser_group,
        operating_system,
        browser,
        cast(row_number() over (
            partition by browser_group order by operating_system, browser
        ) as int) as browser_number
    from {{ ref('web_browsers') }}

),

profiles as (

    select
        channels.channel_key,
        channels.channel_category,
        {{ browser_group('channels.channel_code', 'funnel.device_type') }} as browser_group,
        funnel.device_type,
        funnel.device_number,
        funnel.pace_seconds_low,
        funnel.pace_seconds_high,
        cast(cards.id as int) as profile_number
    from channels
    cross join funnel
    cross join range(0, 1000) as cards

),

final as (

    select
        {{ session_profile_key(
            'profiles.channel_key',
            'profiles.device_number',
            'browsers.browser_number',
            'profiles.profile_number'
        ) }} as profile_key,
        profiles.channel_key,
        profiles.device_type,
        {{ uniform_int(
            'session_pace',
            ['profiles.channel_key', 'profiles.device_number', 'profiles.profile_number'],
            'profiles.pace_seconds_low',
            'profiles.pace_seconds_high'
        ) }} as pace_seconds,
        referrers.referrer_url,
        referrers.utm_source,
        referrers.utm_medium,
        referrers.utm_campaign,
        browsers.browser,
        browsers.operating_system
    from profiles
    inner join referrer_buckets as referrers
        on
            profiles.channel_category = referrers.channel_category
            and {{ bucket('referrer', [
                'profiles.channel_key', 'profiles.device_number', 'profiles.profile_number'
            ]) }} = referrers.bucket
    inner join browsers on profiles.browser_group = browsers.browser_group

)

select * from final
