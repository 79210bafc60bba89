-- What a surviving line asked for is sold, or its shelf is empty: no unit may disappear between the
-- carts, the allocation and the published sales, and none may come from nowhere.
-- Each line has a random weight that depends on its content, so that the sums of a day and location
-- agree only if all its lines do; sums need no join of millions of lines.
{% set carried_columns = [
    'product_key', 'location_key', 'quantity_requested', 'customer_key', 'cart_number',
    'channel_key', 'time_key', 'promotion_key'
] %}
with

cart_lines as (

    select
        cart_line_id,
        pmod(
            xxhash64(
                cart_line_id,
                {{ carried_columns | join(', ') }},
                {{ cents('unit_price') }},
                {{ cents('discount_amount') }}
            ),
            2147483647
        ) as line_weight
    from {{ ref('int_cart_lines') }}
    where {{ is_new('date_key') }}

),

outcomes as (

    select
        cart_line_id,
        attempt,
        quantity_allocated,
        pmod(
            xxhash64(
                cart_line_id,
                {{ carried_columns | join(', ') }},
                cast(price_cents as bigint),
                cast(discount_cents as bigint)
            ),
            2147483647
        ) as line_weight,
        if(
            is_abandoned,
            quantity_allocated = 0 and inventory_at_purchase is null,
            quantity_allocated = least(quantity_requested, inventory_at_purchase)
        ) as gets_what_is_left
    from {{ ref('int_line_outcomes') }}
    where {{ is_new('date_key') }}

),

sales as (

    select
        -- LINE_ and the digits of the line, and a letter but where it was the first attempt.
        cast(translate(line_item_id, 'LINE_RSW', '') as bigint) as cart_line_id,
        case right(line_item_id, 1)
            when 'R' then 2
            when 'S' then 3
            when 'W' then 4
            else 1
        end as attempt,
        quantity_sold
    from {{ ref('gold_sales_fact') }}
    where not is_return and {{ is_new('date_key') }}

),

recovered_lines as (

    select cart_line_id
    from outcomes
    where attempt = 2

),

-- The number of a line begins with its day and location.
wanted as (

    select
        cart_lines.cart_line_id div 1000000 as day_and_location,
        sum(
            cart_lines.line_weight * if(recovered_lines.cart_line_id is null, 1, 2)
        ) as weighted_lines
    from cart_lines
    left join recovered_lines on cart_lines.cart_line_id = recovered_lines.cart_line_id
    group by cart_lines.cart_line_id div 1000000

),

played as (

    select
        cart_line_id div 1000000 as day_and_location,
        sum(if(attempt <= 2, line_weight, 0)) as weighted_lines,
        sum(
            pmod(xxhash64(cart_line_id, cast(attempt as int)), 2147483647) * quantity_allocated
        ) as weighted_units,
        count_if(not coalesce(gets_what_is_left, false)) as wrong_quantities
    from outcomes
    group by cart_line_id div 1000000

),

sold as (

    select
        cart_line_id div 1000000 as day_and_location,
        sum(pmod(xxhash64(cart_line_id, cast(attempt as int)), 2147483647) * quantity_sold)
            as weighted_units
    from sales
    group by cart_line_id div 1000000

)

select
    coalesce(wanted.day_and_location, played.day_and_location, sold.day_and_location)
        as day_and_location,
    wanted.weighted_lines as weighted_lines_of_carts,
    played.weighted_lines as weighted_lines_of_outcomes,
    played.weighted_units as weighted_units_allocated,
    sold.weighted_units as weighted_units_sold,
    played.wrong_quantities
from wanted
full outer join played on wanted.day_and_location = played.day_and_location
full outer join sold on played.day_and_location = sold.day_and_location
where
    -- A line that comes back on a new day may be of an earlier one.
    (wanted.weighted_lines is null and {{ is_new('played.day_and_location div 10000') }})
    or played.weighted_lines is null
    or wanted.weighted_lines != played.weighted_lines
    or coalesce(played.weighted_units, 0) != coalesce(sold.weighted_units, 0)
    or played.wrong_quantities > 0
