{# The number of a terminal or associate of a store, drawn for the cart. #}
{% macro place_in_store(prefix, stream, most) -%}
    concat(
        '{{ prefix }}_',
        cast(location_key as string),
        '_',
        cast({{ uniform_int(stream, ['cart_number'], 1, most) }} as string)
    )
{%- endmacro %}
