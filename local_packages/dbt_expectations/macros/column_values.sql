{% test expect_column_values_to_be_between(
    model, column_name, min_value=none, max_value=none, row_condition=none, strictly=false
) %}
{{ dbt_expectations.rows_against(
    model,
    dbt_expectations.is_between(column_name, min_value, max_value, strictly),
    row_condition,
) }}
{% endtest %}


{# `is_raw` keeps backslashes as they are; `flags` are those of the engine, such as i. #}
{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=none, is_raw=false, flags=""
) %}
{% set pattern = ("(?" ~ flags ~ ")" if flags else "") ~ regex %}
{{ dbt_expectations.rows_against(
    model,
    column_name ~ " rlike " ~ ("r" if is_raw else "") ~ "'" ~ pattern ~ "'",
    row_condition,
) }}
{% endtest %}


{% test expect_column_distinct_values_to_be_in_set(
    model, column_name, value_set, quote_values=true, row_condition=none
) %}
with

distinct_values as (

    select distinct cast({{ column_name }} as string) as value_field
    from {{ model }}
    {%- if row_condition %}
    where {{ row_condition }}
    {%- endif %}

),

allowed_values as (
    {% for value in value_set %}
    select cast({{ "'" ~ value ~ "'" if quote_values else value }} as string) as value_field
    {%- if not loop.last %} union {% endif %}
    {%- endfor %}

)

select distinct_values.value_field
from distinct_values
left join allowed_values on distinct_values.value_field = allowed_values.value_field
where allowed_values.value_field is null
{% endtest %}


{% test expect_column_pair_values_A_to_be_greater_than_B(
    model, column_A, column_B, or_equal=false, row_condition=none
) %}
{{ dbt_expectations.rows_against(
    model, column_A ~ (" >= " if or_equal else " > ") ~ column_B, row_condition
) }}
{% endtest %}
