{#- Fewer days are not enough to speak of a month. -#}
{%- set whole_month_days = 28 -%}

with

locations as (

    select * from {{ ref('gold_location_dim') }}

),

stock_days as (

    select * from {{ ref('int_stockout_days') }}

),

rules as (

    select
        max(if(parameter = 'full_size_position_days', parameter_value, null))
            as full_size_position_days,
        max(if(parameter = 'location_type_rate_margin', parameter_value, null))
            as location_type_margin,
        max(if(parameter = 'month_rate_margin', parameter_value, null)) as month_margin,
        max(if(parameter = 'usual_stockout_target', parameter_value, null)) as usual_target,
        max(if(parameter = 'lowest_stockout_target', parameter_value, null))
            as lowest_stockout_target,
        max(if(parameter = 'highest_stockout_target', parameter_value, null))
            as highest_stockout_target,
        max(if(parameter = 'lowest_demand_intensity', parameter_value, null))
            as lowest_demand_intensity,
        max(if(parameter = 'sampling_width', parameter_value, null)) as sampling_width,
        cast({{ var('target_stockout_rate') }} as double) as target_stockout_rate
    from {{ ref('validation_rules') }}

),

located as (

    select
        locations.location_type,
        stock_days.date_key,
        cast(stock_days.date_key div 100 as string) as month_key,
        stock_days.position_days,
        stock_days.stockout_days
    from locations
    inner join stock_days on locations.location_key = stock_days.location_key

),

parts as (

    select
        '5a_types' as validation_id,
        location_type as part,
        sum(position_days) as position_days,
        sum(stockout_days) as stockout_days,
        count(distinct date_key) as day_count
    from located
    group by location_type

    union all

    select
        '5a_months' as validation_id,
        month_key as part,
        sum(position_days) as position_days,
        sum(stockout_days) as stockout_days,
        count(distinct date_key) as day_count
    from located
    group by month_key
    having count(distinct date_key) >= {{ whole_month_days }}

),

-- Below full size each position counts as one independent draw.
judged as (

    select
        parts.validation_id,
        parts.part,
        parts.stockout_days / cast(parts.position_days as double) as stockout_rate,
        if(
            parts.validation_id = '5a_types', rules.location_type_margin, rules.month_margin
        )
        * greatest(1.0D, rules.target_stockout_rate / rules.usual_target)
        + if(
            parts.position_days < rules.full_size_position_days,
            rules.sampling_width
            * sqrt(
                rules.target_stockout_rate
                * (1 - rules.target_stockout_rate)
                * parts.day_count
                / parts.position_days
            ),
            0.0D
        ) as margin
    from parts
    cross join rules

),

ranked as (

    select
        judged.*,
        row_number() over (
            partition by judged.validation_id
            order by
                abs(judged.stockout_rate - rules.target_stockout_rate) - judged.margin desc,
                judged.part asc
        ) as deviation_rank
    from judged
    cross join rules

),

by_validation as (

    select
        validation_id,
        max(if(deviation_rank = 1, stockout_rate, null)) as stockout_rate,
        max(if(deviation_rank = 1, margin, null)) as margin,
        array_join(
            sort_array(collect_list(concat(part, ' ', {{ four_decimals('stockout_rate') }}))),
            ', '
        ) as rates
    from ranked
    group by validation_id

),

validations as (

    select inline(array( -- noqa: AL03
        named_struct(
            'validation_id', '5a_types',
            'check_id', 'stockout_rate_by_location_type',
            'validation_name', 'Stockout rate of the location type farthest from the target'
        ),
        named_struct(
            'validation_id', '5a_months',
            'check_id', 'stockout_rate_by_month',
            'validation_name', 'Stockout rate of the whole month farthest from the target'
        )
    ))

),

promised as (

    select
        target_stockout_rate,
        target_stockout_rate between lowest_stockout_target and highest_stockout_target
        and {{ var('demand_intensity') }} >= lowest_demand_intensity as is_target_promised
    from rules

),

-- No whole month is nothing to judge.
final as (

    select
        validations.validation_id,
        validations.check_id,
        validations.validation_name,
        by_validation.stockout_rate as measured_value,
        if(
            promised.is_target_promised and by_validation.margin is not null,
            greatest(promised.target_stockout_rate - by_validation.margin, 0.0D),
            null
        ) as expected_min,
        if(
            promised.is_target_promised and by_validation.margin is not null,
            promised.target_stockout_rate + by_validation.margin,
            null
        ) as expected_max,
        concat(
            coalesce(by_validation.rates, 'none'),
            '; target ',
            {{ four_decimals('promised.target_stockout_rate') }},
            ' +- ',
            coalesce({{ four_decimals('by_validation.margin') }}, '-')
        ) as detail
    from validations
    cross join promised
    left join by_validation on validations.validation_id = by_validation.validation_id

)

select * from final
