-- Stock that is negative, or neither available nor reserved nor damaged, was not simulated; and the
-- last receipt of a day lies not after it, the next one after it.
select
    'quantities' as problem,
    location_key,
    date_key,
    product_key
from {{ ref('gold_inventory_fact') }}
where
    {{ is_new('date_key') }}
    and (
        quantity_available < 0
        or quantity_reserved < 0
        or quantity_damaged < 0
        or quantity_in_transit < 0
        or quantity_on_hand != quantity_available + quantity_reserved + quantity_damaged
        or is_stockout != (quantity_available = 0)
        or is_stockout != (stockout_duration_days is not null)
        or stockout_duration_days < 1
    )

union all

-- The extremes of a day tell for all its rows, and a date is made once instead of for each.
select
    'replenishment dates' as problem,
    location_key,
    date_key,
    cast(null as int) as product_key
from {{ ref('gold_inventory_fact') }}
where {{ is_new('date_key') }}
group by location_key, date_key
having
    min(next_replenishment_date) <= {{ date_of_key('date_key') }}
    or max(last_replenishment_date) > {{ date_of_key('date_key') }}
