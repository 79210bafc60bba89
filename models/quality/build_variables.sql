with

final as (

    {% for entry in variable_spec() %}
        select
            '{{ entry.name }}' as variable_name,
            '{{ var(entry.name) | string }}' as variable_value,
            '{{ entry.meaning }}' as meaning
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select * from final
