-- A line cannot sell more than it asked for, nor more than the shelf held when it was served.
select *
from {{ ref('gold_sales_fact') }}
where
    {{ is_new('date_key') }}
    and (
        quantity_sold < 1
        or quantity_sold > quantity_requested
        or quantity_sold > inventory_at_purchase
        or is_inventory_constrained != (quantity_sold < quantity_requested)
        or is_return != (original_line_item_id is not null)
        or is_return != (return_restocked_date_key is not null)
        or is_return != (return_reason is not null)
        or (is_exchange and not is_return)
        or is_return != (net_sales_amount < 0)
    )
