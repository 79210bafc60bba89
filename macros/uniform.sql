{#
    A number in [0, 1) that depends on random_seed, the stream's name and the keys alone.

    53 bits of a 64-bit hash: they fit a double exactly, so every engine gives the same bits.
    The casts matter: Spark hashes an int and a bigint of the same value differently.
#}
{% macro uniform(stream, keys) %}
    {%- set modulus = "9007199254740992" -%}
    (pmod(xxhash64(cast({{ var("random_seed") }} as bigint), '{{ stream }}'
    {%- for key in keys %}, cast({{ key }} as bigint){% endfor -%}
    ), {{ modulus }}) / {{ modulus }}D)
{%- endmacro %}


{# A whole number from low to high, both included, each equally likely. #}
{% macro uniform_int(stream, keys, low, high) %}
    {{- low }} + cast(floor({{ uniform(stream, keys) }} * ({{ high }} - {{ low }} + 1)) as int)
{%- endmacro %}


{#
    A factor with mean 1 that depends on the same, about lognormal: its logarithm is a sum of three
    uniforms with the standard deviation `spread`. In whole ten-thousandths, as engines differ in
    the last bits of exp().
#}
{% macro drawn_factor(stream, keys, spread) %}
    round(
        exp(
            {{ spread }}
            * (
                2
                * (
                    {{ uniform(stream ~ "_0", keys) }}
                    + {{ uniform(stream ~ "_1", keys) }}
                    + {{ uniform(stream ~ "_2", keys) }}
                )
                - 3
            )
            - {{ spread }} * {{ spread }} / 2
        ),
        4
    )
{%- endmacro %}
