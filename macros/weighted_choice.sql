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


{#
    The same for weights of any sum: whole numbers are spread over buckets 0 to `buckets` - 1. A row
    whose share is below one bucket may get none. Joined with `uniform_int(..., 0, buckets - 1)`.
#}
{% macro share_buckets(relation, columns, group_by=[], weight="weight", buckets=10000) %}
    select
        {%- for column in group_by + columns %}
        {{ column }},
        {%- endfor %}
        explode(
            sequence(
                cast(weight_before * {{ buckets }} div weight_of_all as int),
                cast(weight_so_far * {{ buckets }} div weight_of_all as int) - 1
            )
        ) as bucket
    from (
        select
            *,
            weight_so_far - row_weight as weight_before,
            max(weight_so_far) over (
                {%- if group_by %}
                partition by {{ group_by | join(", ") }}
                {%- endif %}
            ) as weight_of_all
        from (
            select
                {%- for column in group_by + columns %}
                {{ column }},
                {%- endfor %}
                cast({{ weight }} as bigint) as row_weight,
                sum(cast({{ weight }} as bigint)) over (
                    {%- if group_by %}
                    partition by {{ group_by | join(", ") }}
                    {%- endif %}
                    order by {{ columns | join(", ") }}
                    rows between unbounded preceding and current row
                ) as weight_so_far
            from {{ relation }}
            where {{ weight }} > 0
        )
    )
    where
        weight_before * {{ buckets }} div weight_of_all
        < weight_so_far * {{ buckets }} div weight_of_all
{%- endmacro %}


{# The bucket, 0 to 999, that a draw falls into. #}
{% macro bucket(stream, keys) %}
    {{- uniform_int(stream, keys, 0, 999) }}
{%- endmacro %}


{#
    The key in int_choice_buckets of the value that is drawn, by the weights of the choice's seed.
    Of a choice with two groups `in_first_group` says whose weights count: see int_choice_buckets.

        inner join choices as payment_methods
            on {{ drawn_choice('payment_method', ['cart_number'], 'is_digital') }}
                = payment_methods.choice_key
#}
{% macro drawn_choice(choice, keys, in_first_group=none) %}
    {{- choice_key(choice, bucket(choice, keys), in_first_group) }}
{%- endmacro %}


{# A choice, group and bucket as one number: docs/engine_notes.md#keys-of-joins #}
{% macro choice_key(choice, bucket, in_first_group=none) %}
    {%- set first_keys = {
        'payment_method': 0,
        'fulfillment_type': 2000,
        'return_reason': 4000,
        'abandonment_reason': 7000,
        'return_hour': 8000,
        'fit_return_reason': 20000,
    } %}
    {%- if choice not in first_keys %}
        {{- exceptions.raise_compiler_error("choice_key: got '" ~ choice ~ "', which is no choice") }}
    {%- endif %}
    {{- first_keys[choice] }}
    {%- if in_first_group %} + if({{ in_first_group }}, 0, 1000){% endif %} + {{ bucket }}
{%- endmacro %}


{#
    Number from 0 of the hours that stores of a format have on a kind of day (opening_hours).

    Others, and stores on days on which they are closed, have those of a standard store on an
    ordinary day: what was bought online comes back then.
#}
{% macro opening_hours_number(store_format, day_kind) -%}
    case {{ store_format }} when 'flagship' then 0 when 'outlet' then 8 else 4 end
    + case {{ day_kind }}
        when 'sunday' then 1 when 'eve' then 2 when 'black_friday' then 3 else 0
    end
{%- endmacro %}
