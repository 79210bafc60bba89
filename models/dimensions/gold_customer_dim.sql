{%- set num_customers = var('num_customers') | int -%}
{%- set period_days = 30 -%}

with

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

customer_profiles as (

    select * from {{ ref('int_customer_profiles') }}

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

    -- A new customer matures into the next segment and moves on from there.
    select
        customer_profiles.customer_number,
        customer_profiles.acquisition_date,
        customer_profiles.maturity_date,
        segment_rates.segment_rank as first_rank,
        segment_rates.segment_rank
        + case when customer_profiles.maturity_date is null then 0 else 1 end as settled_rank
    from customer_profiles
    inner join segment_rates
        on customer_profiles.first_segment = segment_rates.segment

),

-- Of appended days, the customers to whom something happens: all of their versions are made again.
touched_states as (

    select * from first_states
    {%- if is_appending() %}
    where
        (
            {{ is_new_date('maturity_date') }}
            and maturity_date <= {{ last_simulated_day() }}
        )
        or customer_number in (
            select segment_draws.customer_number from segment_draws
            where {{ is_new_date('segment_draws.change_date') }}
        )
    {%- endif %}

),

customer_draws as (

    select
        touched_states.customer_number,
        touched_states.settled_rank,
        sort_array(collect_list(struct(segment_draws.change_date, segment_draws.draw))) as draws
    from touched_states
    inner join segment_draws on touched_states.customer_number = segment_draws.customer_number
    group by touched_states.customer_number, touched_states.settled_rank

),

rank_paths as (

    -- The rank after each draw: low draws move up, high draws move down, at the segment's rates.
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
                            entry.draw
                            < element_at(rate_lists.upgrade_rates, element_at(ranks, -1) + 1)
                            then 1
                        when
                            entry.draw
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

versions as (

    select
        customer_number,
        effective_date,
        segment_rank,
        row_number() over (partition by customer_number order by effective_date) as version,
        lead(effective_date) over (
            partition by customer_number order by effective_date
        ) as next_effective_date
    from compared_states
    where previous_rank is null or previous_rank != segment_rank

),

version_details as (

    select
        customer_profiles.*,
        versions.version,
        versions.effective_date,
        versions.next_effective_date,
        customer_segments.segment,
        -- The customer's own draw against the segment's shares: a better segment, a better tier.
        case
            when
                customer_profiles.loyalty_bucket < customer_segments.platinum_weight
                then 'platinum'
            when
                customer_profiles.loyalty_bucket
                < customer_segments.platinum_weight + customer_segments.gold_weight
                then 'gold'
            when
                customer_profiles.loyalty_bucket < 1000 - customer_segments.bronze_weight
                then 'silver'
            else 'bronze'
        end as loyalty_tier,
        customer_segments.lifetime_value_low * 100
        + floor(
            customer_profiles.lifetime_value_draw * 100
            * (customer_segments.lifetime_value_high - customer_segments.lifetime_value_low)
        ) as lifetime_value_cents
    from versions
    inner join customer_profiles
        on versions.customer_number = customer_profiles.customer_number
    inner join customer_segments
        on versions.segment_rank = customer_segments.segment_rank

),

final as (

    select
        cast(customer_number + (version - 1) * {{ num_customers }} as int) as customer_key,
        customer_id,
        email,
        first_name,
        last_name,
        segment,
        lifetime_value_cents / 100.0D as lifetime_value,
        acquisition_date,
        acquisition_channel,
        preferred_channel,
        preferred_category,
        size_profile_tops,
        size_profile_bottoms,
        geo_region,
        geo_city,
        nearest_store_id,
        loyalty_tier,
        email_subscribe_flag,
        sms_subscribe_flag,
        effective_date,
        coalesce(date_sub(next_effective_date, 1), cast('9999-12-31' as date)) as expiration_date,
        next_effective_date is null as is_current,
        concat(first_name, ' ', last_name) as name,
        gender,
        age_band,
        cast(version as int) as version,
        fulfillment_location_id,
        visit_frequency_draw,
        {{ audit_columns('customer_relationship_management') }}
    from version_details
    {%- if is_appending() %}
    -- New versions and those that they end.
    where
        {{ is_new_date('effective_date') }}
        or {{ is_new_date('next_effective_date') }}
    {%- endif %}

)

select * from final
