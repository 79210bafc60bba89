with

simulated_days as (

    select * from {{ ref('int_simulated_days') }}

),

variables as (

    {% for entry in variable_spec() %}
        select
            '{{ entry.name }}' as variable_name,
            '{{ var(entry.name) | string }}' as variable_value,
            '{{ entry.meaning }}' as meaning
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

-- The days are those of the world, which may have grown since it was built.
final as (

    select
        variables.variable_name,
        case variables.variable_name
            when 'start_date' then cast(simulated_days.first_date as string)
            when 'end_date' then cast(simulated_days.last_date as string)
            when 'date_range_days'
                then
                    cast(
                        datediff(simulated_days.last_date, simulated_days.first_date) + 1 as string
                    )
            else variables.variable_value
        end as variable_value,
        variables.meaning
    from variables
    cross join simulated_days

)

select * from final
