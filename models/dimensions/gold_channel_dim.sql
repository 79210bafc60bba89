with

channels as (

    select * from {{ ref('channels') }}

),

final as (

    select
        channel_key,
        channel_code,
        channel_name,
        channel_type,
        channel_category,
        device_category,
        is_digital,
        is_owned,
        commission_rate,
        channel_code as channel_id,
        {{ audit_columns('channel_master') }}
    from channels

)

select * from final
