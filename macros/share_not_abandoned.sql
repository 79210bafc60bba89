{#
    Share of digital carts that buy in the end when stock plays no part, as share_not_abandoned() of
    int_cart_lines.
#}
{% macro share_not_abandoned() -%}
    {%- set base = var("cart_abandonment_base_rate") | float -%}
    {%- set recovery = var("cart_recovery_rate") | float -%}
    {{ [0.05, 1 - base * (1 - recovery)] | max }}D
{%- endmacro %}
