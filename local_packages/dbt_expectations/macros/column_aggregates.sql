{% test expect_column_mean_to_be_between(
    model, column_name, min_value=none, max_value=none, group_by=none, row_condition=none,
    strictly=false
) %}
{{ dbt_expectations.groups_against(
    model,
    "avg(" ~ column_name ~ ")",
    dbt_expectations.is_between("metric", min_value, max_value, strictly),
    group_by,
    row_condition,
) }}
{% endtest %}


{% test expect_column_quantile_values_to_be_between(
    model, column_name, quantile, min_value=none, max_value=none, group_by=none,
    row_condition=none, strictly=false
) %}
{{ dbt_expectations.groups_against(
    model,
    "percentile(" ~ column_name ~ ", " ~ quantile ~ ")",
    dbt_expectations.is_between("metric", min_value, max_value, strictly),
    group_by,
    row_condition,
) }}
{% endtest %}


{% test expect_column_proportion_of_unique_values_to_be_between(
    model, column_name, min_value=none, max_value=none, group_by=none, row_condition=none,
    strictly=false
) %}
{{ dbt_expectations.groups_against(
    model,
    "count(distinct " ~ column_name ~ ") / cast(count(" ~ column_name ~ ") as double)",
    dbt_expectations.is_between("metric", min_value, max_value, strictly),
    group_by,
    row_condition,
) }}
{% endtest %}


{# The sum of all given columns over all rows, of each group if grouped. #}
{% test expect_multicolumn_sum_to_equal(
    model, column_list, sum_total, group_by=none, row_condition=none
) %}
{% set sums = [] %}
{% for column in column_list %}
    {% do sums.append("sum(" ~ column ~ ")") %}
{% endfor %}
{{ dbt_expectations.groups_against(
    model, sums | join(" + "), "metric = " ~ sum_total, group_by, row_condition
) }}
{% endtest %}
