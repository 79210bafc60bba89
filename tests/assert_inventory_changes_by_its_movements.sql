-- Stock moves for a reason: on any day of any position, the first day included, on-hand changes by
-- exactly the movements of that day.
-- Each day has a random weight, so that the weighted sums of a position agree only if all its days
-- do; sums over days need no sort of the inventory, which days side by side would.
with

dates as (

    select
        date_key,
        calendar_date,
        -- The stock of the day before the new ones counts, its movements do not.
        if({{ is_new('date_key') }}, pmod(xxhash64(date_key), 2147483647), 0) as weight
    from {{ ref('gold_date_dim') }}
    where
        calendar_date between {{ first_simulated_day() }} and {{ last_simulated_day() }}
        and {{ is_new('date_key', days_back=1) }}

),

weights as (

    select
        date_key,
        weight,
        -- A day's stock counts with its own weight, and against it as the day before the next.
        weight
        - coalesce(lead(weight) over (order by date_key), 0) as weight_of_stock
    from dates

),

first_day as (

    select weight
    from dates
    where calendar_date = {{ first_simulated_day() }}

),

changes as (

    select
        inventory.product_key,
        inventory.location_key,
        sum(weights.weight_of_stock * inventory.quantity_on_hand) as weighted_change
    from {{ ref('gold_inventory_fact') }} as inventory
    inner join weights on inventory.date_key = weights.date_key
    where {{ is_new('inventory.date_key', days_back=1) }}
    group by inventory.product_key, inventory.location_key

),

opening as (

    select
        replenishment_plan.product_key,
        replenishment_plan.location_key,
        first_day.weight * replenishment_plan.opening_available as weighted_opening
    from first_day
    cross join {{ ref('int_replenishment_plan') }} as replenishment_plan
    where
        replenishment_plan.opening_available is not null
        and {{ first_simulated_day() }} = {{ first_new_day() }}

),

movements as (

    select
        movement_fact.product_key,
        movement_fact.location_key,
        sum(weights.weight * movement_fact.quantity_change) as weighted_movement,
        count_if(weights.date_key is null) as movements_outside_the_window
    from {{ ref('gold_inventory_movement_fact') }} as movement_fact
    left join weights on movement_fact.date_key = weights.date_key
    where {{ is_new('movement_fact.date_key') }}
    group by movement_fact.product_key, movement_fact.location_key

)

select
    changes.product_key,
    changes.location_key,
    opening.weighted_opening,
    changes.weighted_change,
    movements.weighted_movement,
    movements.movements_outside_the_window
from changes
full outer join opening
    on
        changes.product_key = opening.product_key
        and changes.location_key = opening.location_key
full outer join movements
    on
        changes.product_key = movements.product_key
        and changes.location_key = movements.location_key
where
    -- A position that is ranged later has neither stock nor movements before.
    coalesce(changes.weighted_change, 0) - coalesce(opening.weighted_opening, 0)
    != coalesce(movements.weighted_movement, 0)
    or movements.movements_outside_the_window > 0
