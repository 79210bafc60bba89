-- Stock that is negative, or neither available nor reserved nor damaged, was not simulated.
select *
from {{ ref('gold_inventory_fact') }}
where
    least(
        quantity_available, quantity_reserved, quantity_damaged, quantity_in_transit
    ) < 0
    or quantity_on_hand != quantity_available + quantity_reserved + quantity_damaged
    or is_stockout != (quantity_available = 0)
    or is_stockout != (stockout_duration_days is not null)
    or coalesce(stockout_duration_days, 1) < 1
    or next_replenishment_date <= {{ date_of_key('date_key') }}
    or last_replenishment_date > {{ date_of_key('date_key') }}
