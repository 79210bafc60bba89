{#
    Fails with the rows of a range table that leave a gap to the next range or overlap it: the next
    begins `step` after the end. Rows of a group follow each other.
#}
{% test stages_tile(model, from_column, to_column, step=1, group_by=[]) %}

select *
from (
    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        {{ from_column }},
        {%- if to_column != from_column %}
        {{ to_column }},
        {%- endif %}
        lead({{ from_column }}) over (
            {{ "partition by " ~ group_by | join(", ") if group_by }} order by {{ from_column }}
        ) as next_from
    from {{ model }}
)
where {{ to_column }} < {{ from_column }} or next_from != {{ to_column }} + {{ step }}

{% endtest %}
