{%- set period_days = 30 -%}

with

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

customer_profiles as (

    select * from {{ ref('int_customer_profiles') }}

),

customer_lives as (

    select * from {{ ref('int_customer_lives') }}

),

segment_draws as (

    select * from {{ ref('int_segment_draws') }}

),

segment_rates as (

    select
        segment,
        segment_rank,
        annual_upgrade_rate * {{ period_days }} / 365 as upgrade_rate,
        annual_downgrade_rate * {{ period_days }} / 365 as downgrade_rate
    from customer_segments

),

rate_lists as (

    -- Segment ranks count from 0, positions in a list from 1.
    select
        transform(
            sort_array(collect_list(struct(segment_rank, upgrade_rate))),
            entry -> entry.upgrade_rate
        ) as upgrade_rates,
        transform(
            sort_array(collect_list(struct(segment_rank, downgrade_rate))),
            entry -> entry.downgrade_rate
        ) as downgrade_rates
    from segment_rates

),

first_states as (

    -- A new customer matures into the segment that is earned, and moves on from there.
    select
        lives.customer_number,
        lives.acquisition_date,
        lives.leave_date,
        lives.first_rank,
        lives.target_rank,
        if(
            lives.first_rank = 0,
            date_add(lives.acquisition_date, profiles.matures_after_days),
            null
        ) as maturity_date,
        if(lives.first_rank = 0, lives.target_rank, lives.first_rank) as settled_rank
    from customer_lives as lives
    inner join customer_profiles as profiles
        on lives.customer_number = profiles.customer_number

),

-- Of appended days, the customers to whom something happens: all of their versions are made again.
touched_states as (

    select * from first_states
    {%- if is_appending() %}
    where
        {{ is_new_date('acquisition_date') }}
        or (
            {{ is_new_date('maturity_date') }}
            and maturity_date <= {{ last_simulated_day() }}
        )
        or customer_number in (
            select segment_draws.customer_number from segment_draws
            where {{ is_new_date('segment_draws.change_date') }}
        )
    {%- endif %}

),

-- Who has left moves towards the segment of regular customers.
customer_draws as (

    select
        touched_states.customer_number,
        touched_states.settled_rank,
        sort_array(
            collect_list(
                struct(
                    segment_draws.change_date,
                    segment_draws.draw,
                    if(
                        segment_draws.change_date > touched_states.leave_date,
                        1,
                        touched_states.target_rank
                    ) as target
                )
            )
        ) as draws
    from touched_states
    inner join segment_draws on touched_states.customer_number = segment_draws.customer_number
    group by touched_states.customer_number, touched_states.settled_rank

),

rank_paths as (

    -- The rank after each draw: low draws move up, high draws move down, at the segment's rates,
    -- if that is towards the rank that the customer's own spend earns.
    select
        customer_draws.customer_number,
        customer_draws.draws,
        aggregate(
            customer_draws.draws,
            array(customer_draws.settled_rank),
            (ranks, entry) -> concat(
                ranks,
                array(
                    element_at(ranks, -1)
                    + case
                        when
                            element_at(ranks, -1) < entry.target
                            and entry.draw
                            < element_at(rate_lists.upgrade_rates, element_at(ranks, -1) + 1)
                            then 1
                        when
                            element_at(ranks, -1) > entry.target
                            and entry.draw
                            >= 1 - element_at(rate_lists.downgrade_rates, element_at(ranks, -1) + 1)
                            then -1
                        else 0
                    end
                )
            )
        ) as ranks
    from customer_draws
    cross join rate_lists

),

drawn_positions as (

    select
        customer_number,
        draws,
        ranks,
        explode(sequence(1, size(draws))) as position
    from rank_paths

),

states as (

    select
        customer_number,
        acquisition_date as effective_date,
        first_rank as segment_rank
    from touched_states

    union all

    select
        customer_number,
        maturity_date as effective_date,
        settled_rank as segment_rank
    from touched_states
    where maturity_date <= {{ last_simulated_day() }}

    union all

    select
        customer_number,
        element_at(draws, position).change_date as effective_date,
        element_at(ranks, position + 1) as segment_rank
    from drawn_positions

),

compared_states as (

    select
        customer_number,
        effective_date,
        segment_rank,
        lag(segment_rank) over (
            partition by customer_number order by effective_date
        ) as previous_rank
    from states

),

numbered as (

    select
        customer_number,
        effective_date,
        cast(segment_rank as int) as segment_rank,
        cast(
            row_number() over (partition by customer_number order by effective_date) as int
        ) as version
    from compared_states
    where previous_rank is null or previous_rank != segment_rank

),

final as (

    select * from numbered
    where {{ is_new_date('effective_date') }}

)

select * from final
