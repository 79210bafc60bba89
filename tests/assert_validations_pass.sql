-- The published validations are the promise to users: each of the six is there, and none fails.
with

results as (

    select * from {{ ref('gold_validation_results') }}

),

published as (

    select explode(array('5a', '5b', '5c', '5d', '5e', '5f')) as validation_id

)

select
    published.validation_id,
    'missing' as detail
from published
left join results on published.validation_id = results.validation_id
where results.validation_id is null

union all

select
    validation_id,
    detail
from results
where not is_passed
