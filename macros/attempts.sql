{# The attempt of its cart that a line belongs to: a substitute is in that of the first choice. #}
{% macro cart_attempt(attempt, first_attempt) -%}
    if({{ attempt }} = 3, {{ first_attempt }}, {{ attempt }})
{%- endmacro %}


{# What follows the digits of a cart's id: its attempts have the same digits. #}
{% macro cart_suffix(attempt) -%}
    case {{ attempt }} when 2 then 'R' when 4 then 'W' else '' end
{%- endmacro %}


{# The same for a line, of which there may be a substitute beside. #}
{% macro line_suffix(attempt) -%}
    case {{ attempt }} when 2 then 'R' when 3 then 'S' when 4 then 'W' else '' end
{%- endmacro %}


{# What a line is to its shopper. #}
{% macro line_role(attempt) -%}
    case {{ attempt }} when 3 then 'substitute' when 4 then 'later_visit' else 'first_choice' end
{%- endmacro %}


{# The row of gold_lost_sales_fact that a line makes up for; NULL for a first choice. #}
{% macro lost_sale_id(attempt, cart_line_id, first_attempt) -%}
    if(
        {{ attempt }} > 2,
        concat('LOST_', cast({{ cart_line_id }} as string), {{ line_suffix(first_attempt) }}),
        null
    )
{%- endmacro %}


{# How many days after a short line its shopper may come again: a rule of int_cart_lines. #}
{% macro longest_wait() %}{% do return(14) %}{% endmacro %}
