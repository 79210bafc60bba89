{%- set period_days = 30 -%}

with

customer_segments as (

    select * from {{ ref('customer_segments') }}

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

-- Of appended days, the customers to whom something happens: all of their versions are made again.
customer_draws as (

    select
        customer_number,
        settled_rank,
        settled_version,
        sort_array(collect_list(struct(change_date, draw, towards_rank))) as draws
    from segment_draws
    {%- if is_appending() %}
    where
        customer_number in (
            select segment_draws.customer_number from segment_draws
            where {{ is_new_date('segment_draws.change_date') }}
        )
    {%- endif %}
    group by customer_number, settled_rank, settled_version

),

rank_paths as (

    -- The rank after each draw: low draws move up, high draws move down, at the segment's rates,
    -- if that is towards the rank that the customer's own spend earns.
    select
        customer_draws.customer_number,
        customer_draws.settled_version,
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
                            element_at(ranks, -1) < entry.towards_rank
                            and entry.draw
                            < element_at(rate_lists.upgrade_rates, element_at(ranks, -1) + 1)
                            then 1
                        when
                            element_at(ranks, -1) > entry.towards_rank
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
        settled_version,
        draws,
        ranks,
        explode(sequence(1, size(draws))) as position
    from rank_paths

),

drawn_states as (

    select
        customer_number,
        settled_version,
        element_at(draws, position).change_date as effective_date,
        element_at(ranks, position) as previous_rank,
        element_at(ranks, position + 1) as segment_rank
    from drawn_positions

),

numbered as (

    select
        customer_number,
        effective_date,
        segment_rank,
        settled_version
        + cast(
            row_number() over (partition by customer_number order by effective_date) as int
        ) as version
    from drawn_states
    where segment_rank != previous_rank

),

-- A new customer matures into the segment that is earned, and moves on from there.
final as (

    select
        customer_number,
        settled_date as effective_date,
        target_rank as segment_rank,
        2 as version
    from customer_lives
    where
        first_rank = 0
        and settled_date <= {{ last_simulated_day() }}
        and {{ is_new_date('settled_date') }}

    union all

    select
        customer_number,
        effective_date,
        cast(segment_rank as int) as segment_rank,
        version
    from numbered
    where {{ is_new_date('effective_date') }}

)

select * from final
