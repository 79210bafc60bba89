{% test expect_table_row_count_to_be_between(
    model, min_value=none, max_value=none, group_by=none, row_condition=none, strictly=false
) %}
{{ dbt_expectations.groups_against(
    model,
    "count(*)",
    dbt_expectations.is_between("metric", min_value, max_value, strictly),
    group_by,
    row_condition,
) }}
{% endtest %}


{# The number of rows is `factor` times that of the other table; so is every group's if grouped. #}
{% test expect_table_row_count_to_equal_other_table(
    model, compare_model, group_by=none, compare_group_by=none, factor=1, row_condition=none,
    compare_row_condition=none
) %}
{% set columns = group_by or [] %}
{% set compare_columns = compare_group_by or columns %}
{% if columns | length != compare_columns | length %}
    {% do exceptions.raise_compiler_error("group_by and compare_group_by differ in length") %}
{% endif %}
with

{{ dbt_expectations.counted_rows("counted", model, columns, row_condition) }},

{{ dbt_expectations.counted_rows(
    "compared", compare_model, compare_columns, compare_row_condition
) }}

select
    {%- for column in columns %}
    coalesce(counted.group_{{ loop.index }}, compared.group_{{ loop.index }})
        as group_{{ loop.index }},
    {%- endfor %}
    coalesce(counted.row_count, 0) as row_count,
    coalesce(compared.row_count, 0) as other_row_count
from counted
full join
    compared
    on
        {{ "1 = 1" if not columns }}
        {%- for column in columns %}
        counted.group_{{ loop.index }} <=> compared.group_{{ loop.index }}
        {{- " and" if not loop.last }}
        {%- endfor %}
where
    coalesce(counted.row_count, 0)
    != coalesce(compared.row_count, 0) * {{ factor }}
{% endtest %}


{% macro counted_rows(name, model, columns, row_condition) %}
{{ name }} as (

    select
        {%- for column in columns %}
        {{ column }} as group_{{ loop.index }},
        {%- endfor %}
        count(*) as row_count
    from {{ model }}
    {%- if row_condition %}
    where {{ row_condition }}
    {%- endif %}
    {%- if columns %}
    group by {{ columns | join(", ") }}
    {%- endif %}

)
{%- endmacro %}


{# Rows with NULL in all columns, or in any if so told, are left out. #}
{% test expect_compound_columns_to_be_unique(
    model, column_list, quote_columns=false, ignore_row_if="all_values_are_missing",
    row_condition=none
) %}
{% if ignore_row_if not in ["all_values_are_missing", "any_value_is_missing"] %}
    {% do exceptions.raise_compiler_error(
        "ignore_row_if is all_values_are_missing or any_value_is_missing"
    ) %}
{% endif %}
{% set columns = [] %}
{% for column in column_list %}
    {% do columns.append(adapter.quote(column) if quote_columns else column) %}
{% endfor %}
{% set joint = " or " if ignore_row_if == "all_values_are_missing" else " and " %}
select
    {{ columns | join(", ") }},
    count(*) as row_count
from {{ model }}
where
    ({{ columns | join(" is not null" ~ joint) }} is not null)
    {%- if row_condition %}
    and ({{ row_condition }})
    {%- endif %}
group by {{ columns | join(", ") }}
having count(*) > 1
{% endtest %}
