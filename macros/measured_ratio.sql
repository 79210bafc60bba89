{#
    One figure of the realism table as a struct: numerator over denominator, NULL without the
    latter, and both in words.
#}
{% macro measured_ratio(metric_id, numerator, denominator, of_what, per="1.0D") %}
named_struct(
    'metric_id', '{{ metric_id }}',
    'measured_value', {{ numerator }} / cast(nullif({{ denominator }}, 0) as double) / {{ per }},
    'detail', concat(
        coalesce(cast({{ numerator }} as string), 'nothing'),
        ' / ',
        coalesce(cast({{ denominator }} as string), 'nothing'),
        ' {{ of_what }}'
    )
)
{%- endmacro %}
