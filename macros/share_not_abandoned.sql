{#
    Share of digital carts that buy in the end when stock plays no part, as share_not_abandoned() of
    int_cart_lines.
#}
{% macro share_not_abandoned() -%}
    {{ [0.05, 1 - var("cart_abandonment_base_rate") * (1 - var("cart_recovery_rate"))] | max }}D
{%- endmacro %}
