-- How do the figures of this world compare with those published about real retailers?
with

realism_metrics as (

    select * from {{ ref('realism_metrics') }}

)

select
    metric_id,
    topic,
    metric_name,
    unit,
    published_low,
    published_high,
    published_source,
    measured_value,
    origin,
    is_in_range
from realism_metrics
order by topic asc, metric_id asc
