{# The customer behind a version: gold_customer_dim numbers versions in steps of num_customers. #}
{% macro customer_number(customer_key) -%}
    pmod({{ customer_key }} - 1, {{ var("num_customers") }}) + 1
{%- endmacro %}
