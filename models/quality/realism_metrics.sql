{#- Each topic is measured by a model of its own: int_realism_<topic>, in the folder realism. -#}
{%- set topics = [
    'stock',
    'substitution',
    'intermittency',
    'concentration',
    'season',
    'week',
    'day',
    'events',
    'funnel',
    'abandonment',
    'returns',
    'baskets',
    'devices',
    'prices',
    'customers',
] -%}

with

ranges as (

    select * from {{ ref('realism_ranges') }}

),

measured as (

    {% for topic in topics %}
        select
            '{{ topic }}' as topic,
            metric_id,
            -- Six decimals: more than is meaningful, few enough to be the same on every engine.
            {{ shown('measured_value') }} as measured_value,
            detail
        from {{ ref('int_realism_' ~ topic) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

final as (

    select
        coalesce(
            ranges.metric_id,
            raise_error(concat('the seed realism_ranges lacks the figure ', measured.metric_id))
        ) as metric_id,
        ranges.topic,
        ranges.metric_name,
        ranges.unit,
        ranges.published_low,
        ranges.published_high,
        ranges.published_source,
        measured.measured_value,
        ranges.origin,
        -- NULL without a published figure or without anything to measure.
        if(
            coalesce(ranges.published_low, ranges.published_high) is null,
            null,
            measured.measured_value
            between coalesce(ranges.published_low, measured.measured_value)
            and coalesce(ranges.published_high, measured.measured_value)
        ) as is_in_range,
        coalesce(
            measured.detail,
            raise_error(concat('no model of its topic measures the figure ', ranges.metric_id))
        ) as detail,
        {{ audit_columns() }}
    from ranges
    full outer join measured
        on ranges.topic = measured.topic and ranges.metric_id = measured.metric_id

)

select * from final
