{#
    Fails with one row per broken rule: the column, the rule and the value found. One test for the
    simple rules of a table, because dbt spends more time on a test than the engine on a rule.

    unique           columns, or lists of columns that are unique together; missing values apart
    not_null         columns without missing values
    nullable         in place of not_null: the columns that may have some, unlike all others
    values           allowed values by column; a missing value is allowed
    distinct_counts  number of different values by column
    ranges           [lowest, highest] by column, null for an open end
    positive         columns above zero
    patterns         regular expression by column
    rows             expressions that hold for every row, by name
    row_count        number of rows
#}
{% test table_rules(
    model, unique=[], not_null=[], nullable=none, values={}, distinct_counts={}, ranges={},
    positive=[], patterns={}, rows={}, row_count=none
) %}

{%- set checks = [] %}
{%- for key in unique %}
    {%- do checks.append(repeated_keys(model, [key] if key is string else key)) %}
{%- endfor %}
{%- set required = not_null | list %}
{%- if nullable is not none and execute %}
    {%- for column in adapter.get_columns_in_relation(model) if column.name not in nullable %}
        {%- do required.append(column.name) %}
    {%- endfor %}
{%- endif %}
{%- if required %}
    {%- do checks.append(missing_values(model, required)) %}
{%- endif %}
{%- for column, allowed in values.items() %}
    {%- set literals = [] %}
    {%- for value in allowed %}
        {%- do literals.append(text_literal(value) if value is string else value) %}
    {%- endfor %}
    {%- do checks.append(wrong_values(
        model, column, "one of " ~ allowed | join(", "),
        column ~ " not in (" ~ literals | join(", ") ~ ")"
    )) %}
{%- endfor %}
{%- for column, count in distinct_counts.items() %}
    {%- do checks.append(wrong_count(
        model, column, "count(distinct " ~ column ~ ")", count, "different values"
    )) %}
{%- endfor %}
{%- for column, bounds in ranges.items() %}
    {%- set limits, conditions = [], [] %}
    {%- if bounds[0] is not none %}
        {%- do limits.append("at least " ~ bounds[0]) %}
        {%- do conditions.append(column ~ " < " ~ bounds[0]) %}
    {%- endif %}
    {%- if bounds[1] is not none %}
        {%- do limits.append("at most " ~ bounds[1]) %}
        {%- do conditions.append(column ~ " > " ~ bounds[1]) %}
    {%- endif %}
    {%- do checks.append(wrong_values(
        model, column, limits | join(" and "), conditions | join(" or ")
    )) %}
{%- endfor %}
{%- for column in positive %}
    {%- do checks.append(wrong_values(model, column, "above 0", column ~ " <= 0")) %}
{%- endfor %}
{%- for column, pattern in patterns.items() %}
    {%- do checks.append(wrong_values(
        model, column, "like " ~ pattern, "not " ~ column ~ " rlike " ~ text_literal(pattern)
    )) %}
{%- endfor %}
{%- if rows %}
    {%- do checks.append(wrong_rows(model, rows)) %}
{%- endif %}
{%- if row_count is not none %}
    {%- do checks.append(wrong_count(model, none, "count(*)", row_count, "rows")) %}
{%- endif %}
{%- if not checks and nullable is none %}
    {%- do exceptions.raise_compiler_error("table_rules without a rule on " ~ model) %}
{%- endif %}

{{ checks | join("\nunion all\n") }}

{% endtest %}
