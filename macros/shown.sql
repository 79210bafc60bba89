{# A figure with six decimals, the same on every engine. #}
{% macro shown(value) %}floor(({{ value }}) * 1000000 + 0.5) / 1000000.0D{% endmacro %}


{# A figure as text with four decimals; the text of a double differs between engines. #}
{% macro four_decimals(value) %}cast(cast({{ value }} as decimal(12, 4)) as string){% endmacro %}


{# A whole number, such as a limit of a seed, as text. #}
{% macro whole_number(value) %}cast(cast({{ value }} as bigint) as string){% endmacro %}
