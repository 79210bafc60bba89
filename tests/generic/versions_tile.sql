{#
    Fails with the versions of a slowly changing dimension that leave a gap to the next one,
    overlap it, end before they begin, or are not marked current exactly when they are the last.
    Where only some rows are looked at, all versions of the same entities are. All versions of an
    entity share a value of `part`, of which there are few: a window for each entity would be slow.
#}
{% test versions_tile(model, entity, part, effective_date, expiration_date, is_current, version) %}

with

neighbours as (

    select
        {{ entity }},
        {{ version }},
        {{ effective_date }},
        {{ expiration_date }},
        {{ is_current }},
        if(
            lead({{ entity }}) over neighbour = {{ entity }},
            lead({{ effective_date }}) over neighbour,
            null
        ) as next_effective_date,
        if(
            lag({{ entity }}) over neighbour = {{ entity }},
            lag({{ version }}) over neighbour,
            0
        ) as previous_version
    from {{ tested_table(model) }}
    {%- if model is string %}
    where {{ entity }} in (select {{ entity }} from {{ model }})
    {%- endif %}
    window neighbour as (partition by {{ part }} order by {{ entity }}, {{ effective_date }})

)

select *
from neighbours
where
    {{ version }} != previous_version + 1
    or {{ expiration_date }} < {{ effective_date }}
    or {{ is_current }} != (next_effective_date is null)
    or {{ expiration_date }}
    != coalesce(date_sub(next_effective_date, 1), cast('9999-12-31' as date))

{% endtest %}
