-- All lines of a product, location and day together cannot get more than was there in the morning,
-- and a day that opened with nothing sells nothing.
select
    product_key,
    location_key,
    date_key,
    sum(quantity_allocated) as units_allocated,
    min(opening_available) as lowest_opening_available,
    max(opening_available) as highest_opening_available
from {{ ref('int_line_outcomes') }}
where {{ is_new('date_key') }}
group by product_key, location_key, date_key
having
    sum(quantity_allocated) > min(opening_available)
    or min(opening_available) != max(opening_available)
