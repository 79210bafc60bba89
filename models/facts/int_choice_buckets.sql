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

size_fit as (

    select * from {{ ref('size_fit') }}

),

size_differences as (

    select distinct size_difference from size_fit

),

-- Of what is too small for the customer more comes back for that.
weighted_fit_reasons as (

    select
        size_differences.size_difference,
        reasons.return_reason,
        reasons.exchange_share,
        reasons.weight * coalesce(size_fit.index_percent, 100) as weight
    from {{ ref('return_reasons') }} as reasons
    cross join size_differences
    left join size_fit
        on
            reasons.return_reason = size_fit.fit_description
            and size_differences.size_difference = size_fit.size_difference
    where reasons.fit_relevant

),

fit_return_reasons as (

    {{
        share_buckets(
            'weighted_fit_reasons',
            ['return_reason', 'exchange_share'],
            ['size_difference'],
            buckets=1000
        )
    }}

),

-- Goods come back while the stores are open, whatever the channel of the sale.
open_hours as (

    select
        opening_hours.store_format,
        opening_hours.day_kind,
        {{ opening_hours_number('opening_hours.store_format', 'opening_hours.day_kind') }}
            as hours_number,
        demand_by_hour.hour,
        sum(demand_by_hour.weight) over (
            partition by opening_hours.store_format, opening_hours.day_kind
            order by demand_by_hour.hour
            rows between unbounded preceding and current row
        ) as weight_so_far,
        sum(demand_by_hour.weight) over (
            partition by opening_hours.store_format, opening_hours.day_kind
        ) as total_weight,
        demand_by_hour.weight
    from {{ ref('opening_hours') }} as opening_hours
    inner join {{ ref('demand_by_hour') }} as demand_by_hour
        on
            opening_hours.opens_hour <= demand_by_hour.hour
            and opening_hours.closes_hour > demand_by_hour.hour
    where demand_by_hour.channel_group = 'store'

),

open_hour_shares as (

    select
        *,
        1000 * (weight_so_far - weight) div total_weight as first_bucket,
        1000 * weight_so_far div total_weight - 1 as last_bucket
    from open_hours

),

return_hours as (

    select
        store_format,
        day_kind,
        hours_number,
        hour,
        explode(sequence(first_bucket, last_bucket)) as bucket
    from open_hour_shares
    where first_bucket <= last_bucket

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
        {{ choice_key('fit_return_reason', 'bucket') }} + 1000 * (2 + size_difference)
            as choice_key,
        'fit_return_reason' as choice,
        concat('size ', cast(size_difference as string)) as choice_group,
        bucket,
        return_reason as chosen,
        exchange_share
    from fit_return_reasons

    union all

    select
        {{ choice_key('return_hour', 'bucket') }} + 1000 * hours_number as choice_key,
        'return_hour' as choice,
        concat(store_format, ' ', day_kind) as choice_group,
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
