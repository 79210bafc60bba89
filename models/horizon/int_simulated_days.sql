{%- set days = days_to_simulate() -%}

with

final as (

    select
        {{ days.first }} as first_date,
        {{ days.closed }} as closed_date,
        {{ days.last }} as last_date,
        '{{ variables_as_json() | replace("'", "''") }}' as variables,
        '{{ seed_files_as_json() }}' as seed_files

)

select * from final
