-- Which variables were the tables built with?
with

variables as (

    select * from {{ ref('build_variables') }}

)

select
    variable_name,
    variable_value,
    meaning
from variables
order by variable_name asc
