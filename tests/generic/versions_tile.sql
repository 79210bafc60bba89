{#
    Fails with the versions of a slowly changing dimension that leave a gap to the next one,
    overlap it, end before they begin, or are not marked current exactly when they are the last.
    Where only some rows are looked at, all versions of the same entities are.
#}
{% test versions_tile(model, entity, effective_date, expiration_date, is_current, version) %}

with

neighbours as (

    select
        {{ entity }},
        {{ version }},
        {{ effective_date }},
        {{ expiration_date }},
        {{ is_current }},
        lead({{ effective_date }}) over (
            partition by {{ entity }} order by {{ effective_date }}
        ) as next_effective_date,
        row_number() over (
            partition by {{ entity }} order by {{ effective_date }}
        ) as expected_version
    from {{ tested_table(model) }}
    {%- if model is string %}
    where {{ entity }} in (select {{ entity }} from {{ model }})
    {%- endif %}

)

select *
from neighbours
where
    {{ version }} != expected_version
    or {{ expiration_date }} < {{ effective_date }}
    or {{ is_current }} != (next_effective_date is null)
    or {{ expiration_date }}
    != coalesce(date_sub(next_effective_date, 1), cast('9999-12-31' as date))

{% endtest %}
