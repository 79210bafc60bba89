-- A table of its own: docs/engine_notes.md#small-tables
with

payment_methods as (

    {{ weighted_buckets(ref('payment_methods'), ['payment_method'], ['channel_group']) }}

),

fulfillment_types as (

    {{ weighted_buckets(ref('fulfillment_types'), ['fulfillment_type'], ['channel_group']) }}

),

return_reasons as (

    {{
        weighted_buckets(
            ref('return_reasons'), ['return_reason', 'exchange_share'], ['fit_relevant']
        )
    }}

),

-- Goods come back while the stores are open, whatever the channel of the sale.
return_hours as (

    {{ weighted_buckets(ref('demand_by_hour'), ['hour'], where="channel_group = 'store'") }}

),

abandonment_reasons as (

    {{ weighted_buckets(ref('abandonment_reasons'), ['suspected_reason']) }}

),

final as (

    select
        {{ choice_key('payment_method', 'bucket', "channel_group = 'digital'") }} as choice_key,
        'payment_method' as choice,
        channel_group as choice_group,
        bucket,
        payment_method as chosen,
        cast(null as double) as exchange_share
    from payment_methods

    union all

    select
        {{ choice_key('fulfillment_type', 'bucket', "channel_group = 'digital'") }} as choice_key,
        'fulfillment_type' as choice,
        channel_group as choice_group,
        bucket,
        fulfillment_type as chosen,
        cast(null as double) as exchange_share
    from fulfillment_types

    union all

    select
        {{ choice_key('return_reason', 'bucket', 'fit_relevant') }} as choice_key,
        'return_reason' as choice,
        if(fit_relevant, 'fit', 'no_fit') as choice_group,
        bucket,
        return_reason as chosen,
        exchange_share
    from return_reasons

    union all

    select
        {{ choice_key('return_hour', 'bucket') }} as choice_key,
        'return_hour' as choice,
        'all' as choice_group,
        bucket,
        cast(hour as string) as chosen,
        cast(null as double) as exchange_share
    from return_hours

    union all

    select
        {{ choice_key('abandonment_reason', 'bucket') }} as choice_key,
        'abandonment_reason' as choice,
        'all' as choice_group,
        bucket,
        suspected_reason as chosen,
        cast(null as double) as exchange_share
    from abandonment_reasons

)

select * from final
