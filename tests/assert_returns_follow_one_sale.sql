-- A return takes back units of one earlier sale, and they are on the shelf again after the delay in
-- calendar days, across month ends too.
-- Nine of ten come back within 30 days: an append looks no further.
{% set date_of_line = 'cast(substring(returned.original_line_item_id, 6, 8) as int)' %}
with

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    where {{ is_new('date_key', days_back=30) }}

),

returns as (

    select
        returned.line_item_id,
        returned.original_line_item_id,
        sold.line_item_id as sale_line_item_id,
        count(*) over (partition by returned.original_line_item_id) as returns_of_the_sale,
        returned.quantity_sold as quantity_returned,
        sold.quantity_sold,
        returned.net_sales_amount + sold.net_sales_amount as net_after_return,
        datediff(
            {{ date_of_key('returned.date_key') }}, {{ date_of_key('sold.date_key') }}
        ) as days_after_sale,
        datediff(
            {{ date_of_key('returned.return_restocked_date_key') }},
            {{ date_of_key('returned.date_key') }}
        ) as restock_delay_days
    from sales_fact as returned
    left join sales_fact as sold
        on
            returned.original_line_item_id = sold.line_item_id
            and not sold.is_return
    where
        returned.is_return
        and {{ is_new('returned.date_key') }}
        and {{ is_new(date_of_line, days_back=30) }}

)

select *
from returns
where
    sale_line_item_id is null
    or returns_of_the_sale != 1
    or quantity_returned != quantity_sold
    or net_after_return != 0
    or days_after_sale < 1
    or restock_delay_days not between {{ var('return_delay_days')[0] }}
    and {{ var('return_delay_days')[1] }}
