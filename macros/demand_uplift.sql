{#
    Units wanted at a discount relative to those at the list price, by a constant elasticity and the
    nearest whole percent of the discount. Four decimals, in which engines agree.
#}
{% macro demand_uplift(discount_cents, price_cents, elasticity) -%}
    cast(
        floor(
            pow(
                (100 - ({{ discount_cents }} * 100 + {{ price_cents }} div 2) div {{ price_cents }})
                / 100.0D,
                {{ elasticity }}
            )
            * 10000
            + 0.5D
        ) as bigint
    )
    / 10000.0D
{%- endmacro %}
