{%- set period_days = 30 -%}
{%- set draw = uniform('segment_change', ['profiles.customer_number', 'periods.period']) -%}

with

profiles as (

    select * from {{ ref('int_customer_profiles') }}

),

highest_rates as (

    select
        max(annual_upgrade_rate) * {{ period_days }} / 365 as upgrade_rate,
        max(annual_downgrade_rate) * {{ period_days }} / 365 as downgrade_rate
    from {{ ref('customer_segments') }}

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
        profiles.customer_number,
        coalesce(profiles.maturity_date, profiles.acquisition_date) as settled_date,
        date_add(
            {{ first_simulated_day() }},
            periods.period * {{ period_days }} + {{ uniform_int(
                'segment_change_day',
                ['profiles.customer_number', 'periods.period'],
                0,
                period_days - 1
            ) }}
        ) as change_date,
        {{ draw }} as draw
    from profiles
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
