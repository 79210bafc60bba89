{%- set period_days = 30 -%}
{%- set draw = uniform('segment_change', ['settled.customer_number', 'periods.period']) -%}

with

profiles as (

    select * from {{ ref('int_customer_profiles') }}

),

lives as (

    select * from {{ ref('int_customer_lives') }}

),

highest_rates as (

    select
        max(annual_upgrade_rate) * {{ period_days }} / 365 as upgrade_rate,
        max(annual_downgrade_rate) * {{ period_days }} / 365 as downgrade_rate
    from {{ ref('customer_segments') }}

),

-- A new customer has no other segment before maturity.
settled as (

    select
        lives.customer_number,
        date_add(
            lives.acquisition_date, if(lives.first_rank = 0, profiles.matures_after_days, 0)
        ) as settled_date
    from profiles
    inner join lives on profiles.customer_number = lives.customer_number

),

-- Each customer has one draw in a period, on a day of it that is drawn as well.
periods as (

    select
        explode(
            sequence(
                cast({{ closed_day_count() }} div {{ period_days }} as int),
                cast(({{ simulated_day_count() }} - 1) div {{ period_days }} as int)
            )
        ) as period

),

drawn as (

    select
        settled.customer_number,
        settled.settled_date,
        date_add(
            {{ first_simulated_day() }},
            periods.period * {{ period_days }} + {{ uniform_int(
                'segment_change_day',
                ['settled.customer_number', 'periods.period'],
                0,
                period_days - 1
            ) }}
        ) as change_date,
        {{ draw }} as draw
    from settled
    cross join periods
    cross join highest_rates
    -- Most draws change no segment at all.
    where
        {{ draw }} < highest_rates.upgrade_rate
        or {{ draw }} >= 1 - highest_rates.downgrade_rate

),

final as (

    select
        customer_number,
        change_date,
        draw
    from drawn
    where
        change_date > settled_date
        and change_date <= {{ last_simulated_day() }}
        and {{ is_new_date('change_date') }}

)

select * from final
