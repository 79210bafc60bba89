{%- set days = days_to_simulate() -%}

with

final as (

    select
        {{ days.first }} as first_date,
        {{ days.closed }} as closed_date,
        {{ days.last }} as last_date

)

select * from final
