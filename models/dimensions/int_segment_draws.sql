{%- set period_days = 30 -%}
{%- set first_period = closed_day_count() ~ ' div ' ~ period_days -%}
{%- set last_period = '(' ~ simulated_day_count() ~ ' - 1) div ' ~ period_days -%}

with

lives as (

    select * from {{ ref('int_customer_lives') }}

),

highest_rates as (

    select
        max(annual_upgrade_rate) * {{ period_days }} / 365 as upgrade_rate,
        max(annual_downgrade_rate) * {{ period_days }} / 365 as downgrade_rate
    from {{ ref('customer_segments') }}

),

-- Each customer has one draw in a period, on a day of it that is drawn as well. The rates come with
-- the customer, so that what follows filters rows and joins none.
periods as (

    select
        lives.customer_number,
        lives.settled_date,
        lives.leave_date,
        lives.first_rank,
        lives.target_rank,
        highest_rates.upgrade_rate,
        highest_rates.downgrade_rate,
        explode(
            sequence(cast({{ first_period }} as int), cast({{ last_period }} as int))
        ) as period
    from highest_rates
    cross join lives

),

drawn as (

    select
        *,
        {{ uniform('segment_change', ['customer_number', 'period']) }} as draw
    from periods

),

-- Most draws change no segment at all.
telling as (

    select * from drawn
    where draw < upgrade_rate or draw >= 1 - downgrade_rate

),

dated as (

    select
        *,
        date_add(
            {{ first_simulated_day() }},
            period * {{ period_days }} + {{ uniform_int(
                'segment_change_day', ['customer_number', 'period'], 0, period_days - 1
            ) }}
        ) as change_date
    from telling

),

final as (

    select
        customer_number,
        change_date,
        draw,
        -- Who has left moves towards the segment of regular customers.
        if(change_date > leave_date, 1, target_rank) as towards_rank,
        if(first_rank = 0, target_rank, first_rank) as settled_rank,
        if(first_rank = 0, 2, 1) as settled_version
    from dated
    -- A new customer has no other segment before maturity.
    where
        change_date > settled_date
        and change_date <= {{ last_simulated_day() }}
        and {{ is_new_date('change_date') }}

)

select * from final
