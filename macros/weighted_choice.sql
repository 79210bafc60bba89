{#
    A weighted choice is an equi-join: `weighted_buckets` spreads the rows of a seed over buckets
    0 to 999 in proportion to their weights, `bucket` draws one of them.

        inner join brand_buckets
            on {{ bucket('brand', ['product_key']) }} = brand_buckets.bucket
#}
{% macro weighted_buckets(relation, columns, group_by=[], weight="weight", where=none) %}
    select
        {%- for column in group_by + columns %}
        {{ column }},
        {%- endfor %}
        explode(sequence(bucket_end - {{ weight }}, bucket_end - 1)) as bucket
    from (
        select
            {%- for column in group_by + columns %}
            {{ column }},
            {%- endfor %}
            {{ weight }},
            cast(
                sum({{ weight }}) over (
                    {%- if group_by %}
                    partition by {{ group_by | join(", ") }}
                    {%- endif %}
                    order by {{ columns | join(", ") }}
                    rows between unbounded preceding and current row
                ) as int
            ) as bucket_end
        from {{ relation }}
        where
            {{ weight }} > 0
            {%- if where %}
            and {{ where }}
            {%- endif %}
    )
{%- endmacro %}


{# The bucket, 0 to 999, that a draw falls into. #}
{% macro bucket(stream, keys) %}
    {{- uniform_int(stream, keys, 0, 999) }}
{%- endmacro %}


{#
    Number of a choice's bucket 0 in int_choice_buckets: a drawn bucket is added to it. Engines
    join one number faster than two names and a number.
#}
{% macro first_choice_key(choice, choice_group="all") %}
    {%- set choices = [
        'payment_method digital',
        'payment_method store',
        'fulfillment_type digital',
        'fulfillment_type store',
        'return_reason fit',
        'return_reason no_fit',
        'return_hour all',
        'abandonment_reason all',
    ] %}
    {{- choices.index(choice ~ ' ' ~ choice_group) * 1000 }}
{%- endmacro %}
