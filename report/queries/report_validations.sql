-- Which published validations passed, and how close were they?
with

validations as (

    select * from {{ ref('gold_validation_results') }}

)

select
    validation_id,
    validation_name,
    measured_value,
    expected_min,
    expected_max,
    is_passed,
    detail,
    etl_timestamp
from validations
order by validation_id asc
