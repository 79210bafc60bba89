-- Stores sell, and take back what they sold, in their opening hours: on closed days nothing.
with

sales as (

    select * from {{ ref('gold_sales_fact') }}
    where {{ is_new('date_key') }}

),

stores as (

    select * from {{ ref('gold_location_dim') }}
    where store_format is not null

),

store_days as (

    select * from {{ ref('int_traffic_plan') }}
    where channel_group = 'store'

),

opening_hours as (

    select * from {{ ref('opening_hours') }}

)

select
    sales.line_item_id,
    sales.location_key,
    sales.date_key,
    sales.time_key,
    store_days.day_kind
from sales
inner join stores on sales.location_key = stores.location_key
inner join store_days on sales.date_key = store_days.date_key
left join opening_hours
    on
        stores.store_format = opening_hours.store_format
        and store_days.day_kind = opening_hours.day_kind
where
    not coalesce(
        sales.time_key >= opening_hours.opens_hour * 100
        and sales.time_key < opening_hours.closes_hour * 100,
        false
    )
