with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where is_digital and recovered_from_cart_id is null

),

rules as (

    select parameter_value as sampling_width
    from {{ ref('validation_rules') }}
    where parameter = 'sampling_width'

),

first_digital_carts as (

    select
        segment,
        is_abandoned,
        low_inventory_trigger or capacity_exceeded_trigger as is_triggered,
        {{ millionths('(abandonment_rate - base_abandonment_rate)') }} as rise_millionths
    from carts

),

-- The share abandoned in each segment, with the rise that the rates promise.
segments as (

    select
        segment,
        count(if(is_triggered, 1, null)) as triggered_carts,
        count(if(is_triggered and is_abandoned, 1, null)) as triggered_abandoned,
        count(if(is_triggered, null, 1)) as other_carts,
        count(if(not is_triggered and is_abandoned, 1, null)) as other_abandoned,
        sum(if(is_triggered, rise_millionths, 0)) as rise_millionths
    from first_digital_carts
    group by segment

),

segment_rates as (

    select
        *,
        triggered_abandoned / cast(triggered_carts as double) as triggered_rate,
        other_abandoned / cast(other_carts as double) as other_rate,
        -- One more of each kind: ten of ten abandoned does not mean that the rate is known to be 1.
        (triggered_abandoned + 1)
        / (triggered_carts + 2.0D)
        * (1 - (triggered_abandoned + 1) / (triggered_carts + 2.0D)) as triggered_variance,
        (other_abandoned + 1)
        / (other_carts + 2.0D)
        * (1 - (other_abandoned + 1) / (other_carts + 2.0D)) as other_variance,
        rise_millionths / 1000000.0D / triggered_carts as expected_rise
    from segments
    where triggered_carts > 0 and other_carts > 0

),

-- Weighted by what each segment tells about the difference, and by the same for the rise promised.
segment_effects as (

    select
        segment,
        triggered_carts + other_carts as cart_count,
        triggered_rate - other_rate as rise,
        expected_rise,
        triggered_variance / triggered_carts + other_variance / other_carts as rise_variance,
        triggered_carts
        * cast(other_carts as double)
        / (triggered_carts + other_carts) as segment_weight
    from segment_rates

),

effects as (

    select
        concat('5d_', segment) as validation_id,
        concat('low_inventory_effect_', segment) as check_id,
        concat('Low-inventory effect on abandonment, segment ', segment) as validation_name,
        cart_count,
        rise,
        expected_rise,
        sqrt(rise_variance) as rise_error
    from segment_effects

    union all

    select
        '5d' as validation_id,
        'low_inventory_effect' as check_id,
        'Low-inventory effect on abandonment' as validation_name,
        sum(cart_count) as cart_count,
        sum(segment_weight * rise) / sum(segment_weight) as rise,
        sum(segment_weight * expected_rise) / sum(segment_weight) as expected_rise,
        sqrt(sum(segment_weight * segment_weight * rise_variance)) / sum(segment_weight)
            as rise_error
    from segment_effects

),

final as (

    select
        effects.validation_id,
        effects.check_id,
        effects.validation_name,
        effects.rise as measured_value,
        effects.expected_rise - rules.sampling_width * effects.rise_error as expected_min,
        effects.expected_rise + rules.sampling_width * effects.rise_error as expected_max,
        concat(
            coalesce(cast(effects.cart_count as string), '0'),
            ' digital carts; rise of the rates ',
            coalesce({{ four_decimals('effects.expected_rise') }}, '-'),
            if(
                abs(effects.rise - effects.expected_rise) <= 1.96 * effects.rise_error,
                ', inside',
                ', outside'
            ),
            ' the 95% interval of the measured one, +-',
            coalesce({{ four_decimals('1.96 * effects.rise_error') }}, '-'),
            '; the range allows for ',
            cast(cast(rules.sampling_width as decimal(12, 2)) as string),
            ' standard errors'
        ) as detail
    from effects
    cross join rules

)

select * from final
