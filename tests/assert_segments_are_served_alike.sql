-- Scarce units go to whoever comes first, whatever the segment: among the lines of a product,
-- location and day of which some went short, each segment has its share of the short ones, in the
-- whole day and within each hour. That is within five standard errors of a draw without
-- replacement, and five lines more or fewer where they are few.
{%- set day_of_a_shelf = "product_key, location_key, date_key" %}
with

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    -- Who makes do with something else, or comes again, takes what is there.
    where not is_abandoned and attempt <= 2

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

scarce_days as (

    select {{ day_of_a_shelf }}
    from outcomes
    group by {{ day_of_a_shelf }}
    having
        count(*) > 1
        and sum(quantity_allocated) > 0
        and sum(quantity_allocated) < sum(quantity_requested)

),

lines as (

    select
        outcomes.product_key,
        outcomes.location_key,
        outcomes.date_key,
        outcomes.time_key div 100 as hour_of_day,
        customers.segment,
        if(outcomes.quantity_allocated < outcomes.quantity_requested, 1, 0) as short_lines
    from outcomes
    left semi join scarce_days
        on
            outcomes.product_key = scarce_days.product_key
            and outcomes.location_key = scarce_days.location_key
            and outcomes.date_key = scarce_days.date_key
    inner join customers on outcomes.customer_key = customers.customer_key

),

by_segment as (

    {% for hour in ["-1", "hour_of_day"] %}
        select
            {{ day_of_a_shelf }},
            {{ hour }} as hour_of_day,
            segment,
            cast(count(*) as double) as segment_lines,
            cast(sum(short_lines) as double) as segment_short_lines
        from lines
        group by {{ day_of_a_shelf }}, segment {{- ", hour_of_day" if hour != "-1" }}

        {{ "union all" if not loop.last }}
    {% endfor %}

),

in_blocks as (

    select
        *,
        sum(segment_lines) over block as block_lines,
        sum(segment_short_lines) over block as block_short_lines
    from by_segment
    window block as (partition by {{ day_of_a_shelf }}, hour_of_day)

),

compared as (

    select
        segment,
        hour_of_day,
        sum(segment_short_lines) as short_lines,
        sum(segment_lines * block_short_lines / block_lines) as expected_short_lines,
        sum(
            segment_lines / block_lines
            * (block_lines - segment_lines) / block_lines
            * block_short_lines * (block_lines - block_short_lines)
            / (block_lines - 1)
        ) as variance
    from in_blocks
    where block_lines > 1
    group by segment, hour_of_day

)

select * from compared
where abs(short_lines - expected_short_lines) > 5 * sqrt(variance) + 5
