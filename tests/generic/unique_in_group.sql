{#
    Fails with the groups that hold a value of the column twice. Comparing arrays takes half the
    time of grouping millions of rows by all the columns of a key.
#}
{% test unique_in_group(model, value, group_by) %}

with

groups as (

    select
        {{ group_by | join(', ') }},
        collect_list({{ value }}) as values_found
    from {{ model }}
    group by {{ group_by | join(', ') }}

)

select *
from groups
where size(values_found) != size(array_distinct(values_found))

{% endtest %}
