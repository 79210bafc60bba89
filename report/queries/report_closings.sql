-- Up to which day was the world complete each time that it was closed, and how many days were new?
with

closings as (

    select * from {{ ref('world') }}

)

select
    last_closed_date,
    days_added,
    etl_timestamp
from closings
order by last_closed_date asc
