{# The part of the body that a size of a ladder is about, as in body_parts() of int_cart_lines. #}
{% macro body_part(size_ladder, category_level_1) -%}
    case
        when {{ size_ladder }} like '%shoe%' or {{ category_level_1 }} = 'footwear' then 'shoes'
        when {{ size_ladder }} like '%alpha%' then 'tops'
        else 'bottoms'
    end
{%- endmacro %}


{# The bucket, 0 to 999, that a quantile falls into. #}
{% macro quantile_bucket(quantile) -%}
    least(cast(floor({{ quantile }} * 1000) as int), 999)
{%- endmacro %}


{# A distance between sizes as far as the seed size_fit goes, where two stands for more. #}
{% macro size_fit_step(size_difference) -%}
    greatest(-2, least(2, {{ size_difference }}))
{%- endmacro %}


{#
    The key in int_choice_buckets of the reason for which a line comes back: by the distance from
    the customer's own size where that is known, else by whether the product has a fit.
#}
{% macro drawn_return_reason(cart_line_id, fit_relevant, size_difference) -%}
    case
        when {{ size_difference }} is null
            then {{ drawn_choice('return_reason', [cart_line_id], fit_relevant) }}
        else
            {{ drawn_choice('fit_return_reason', [cart_line_id]) }}
            + 1000 * (2 + {{ size_fit_step(size_difference) }})
    end
{%- endmacro %}
