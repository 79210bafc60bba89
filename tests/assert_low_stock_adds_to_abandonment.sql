-- The effect that users come for: between carts of the same base rate, low stock or exceeded
-- capacity adds cart_abandonment_increase to the share abandoned and takes as much off the share
-- that comes back. Both hold for every segment and overall, within five standard errors; a few
-- carts may all leave or stay by chance, so each group may have five carts more or fewer of each.
{%- set increase = "cast(" ~ var("cart_abandonment_increase") ~ " as double)" %}
{%- set recovery_rate = "cast(" ~ var("cart_recovery_rate") ~ " as double)" %}
with

carts as (

    select
        *,
        low_inventory_trigger or capacity_exceeded_trigger as is_triggered
    from {{ ref('gold_cart_fact') }}

),

digital_carts as (

    select * from carts
    where is_digital and recovered_from_cart_id is null

),

recovery_carts as (

    select recovered_from_cart_id
    from carts
    where recovered_from_cart_id is not null

),

-- Only carts that had the full week to come back.
abandoned_carts as (

    select
        digital_carts.segment,
        digital_carts.is_triggered,
        recovery_carts.recovered_from_cart_id is not null as comes_back,
        greatest(
            {{ recovery_rate }} - if(digital_carts.is_triggered, {{ increase }}, 0.0D), 0.0D
        ) as recovery_rate
    from digital_carts
    left join recovery_carts
        on digital_carts.cart_id = recovery_carts.recovered_from_cart_id
    where
        digital_carts.is_abandoned
        and date_add({{ date_of_key('digital_carts.date_key') }}, 7) <= {{ last_simulated_day() }}

),

-- Deviations from the rate without trigger, so that groups of another mix compare.
outcomes as (

    select
        'abandoned' as outcome,
        segment,
        is_triggered,
        if(is_abandoned, 1.0D, 0.0D) - base_abandonment_rate as deviation,
        if(is_triggered, least(base_abandonment_rate + {{ increase }}, 1.0D), base_abandonment_rate)
            as rate,
        base_abandonment_rate as base_rate
    from digital_carts

    union all

    select
        'not recovered' as outcome,
        segment,
        is_triggered,
        if(comes_back, 0.0D, 1.0D) - (1.0D - {{ recovery_rate }}) as deviation,
        1.0D - recovery_rate as rate,
        1.0D - {{ recovery_rate }} as base_rate
    from abandoned_carts

),

by_segment as (

    select
        outcome,
        segment,
        is_triggered,
        count(*) as rows_counted,
        sum(deviation) as deviation,
        sum(rate - base_rate) as expected_deviation,
        sum(rate * (1 - rate)) as variance
    from outcomes
    group by outcome, segment, is_triggered

),

groups as (

    select * from by_segment

    union all

    select
        outcome,
        'all segments' as segment,
        is_triggered,
        sum(rows_counted) as rows_counted,
        sum(deviation) as deviation,
        sum(expected_deviation) as expected_deviation,
        sum(variance) as variance
    from by_segment
    group by outcome, is_triggered

),

compared as (

    select
        triggered.outcome,
        triggered.segment,
        triggered.deviation / triggered.rows_counted
        - untriggered.deviation / untriggered.rows_counted as measured_increase,
        triggered.expected_deviation / triggered.rows_counted as expected_increase,
        sqrt(
            triggered.variance / triggered.rows_counted / triggered.rows_counted
            + untriggered.variance / untriggered.rows_counted / untriggered.rows_counted
        ) as standard_error,
        if(triggered.variance > 0, 5.0D / triggered.rows_counted, 0.0D)
        + if(untriggered.variance > 0, 5.0D / untriggered.rows_counted, 0.0D) as chance
    from groups as triggered
    inner join groups as untriggered
        on
            triggered.outcome = untriggered.outcome
            and triggered.segment = untriggered.segment
            and not untriggered.is_triggered
    where triggered.is_triggered

)

select *
from compared
where abs(measured_increase - expected_increase) > 5 * standard_error + chance + 0.000001
