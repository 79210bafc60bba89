{#
    The customer behind a version: gold_customer_dim numbers the versions of a customer in steps
    that are as wide as a customer_id has digits, so that any number of customers may join. 0 is the
    unknown shopper.
#}
{% macro customer_number(customer_key) -%}
    pmod({{ customer_key }}, {{ customer_key_step() }})
{%- endmacro %}


{# From the key of a customer's version to that of the next one. #}
{% macro customer_key_step() -%}
    100000000
{%- endmacro %}
