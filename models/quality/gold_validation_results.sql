{#- Each family is measured by a model of its own: int_validation_<family>, in validations. -#}
{%- set families = [
    'stock',
    'calibration',
    'abandonment',
    'returns',
    'forecast',
    'reconciliation',
] -%}

with

measured as (

    {% for family in families %}
        select
            validation_id,
            validation_name,
            -- Six decimals: more than is meaningful, few enough to be the same on every engine.
            {{ shown('measured_value') }} as measured_value,
            {{ shown('expected_min') }} as expected_min,
            {{ shown('expected_max') }} as expected_max,
            detail,
            check_id
        from {{ ref('int_validation_' ~ family) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

final as (

    select
        validation_id,
        validation_name,
        measured_value,
        expected_min,
        expected_max,
        (expected_min is null or coalesce(measured_value >= expected_min, false))
        and (expected_max is null or coalesce(measured_value <= expected_max, false))
            as is_passed,
        detail,
        {{ audit_columns() }},
        check_id
    from measured

)

select * from final
