{#
    Fails with one row per broken rule: the column, the rule, its severity and the value found. One
    test for the rules of a table, because dbt spends more time on a test than the engine on a rule;
    those about single rows are looked at in one scan. macros/rule_queries.sql has the queries.

    unique           columns, or lists of columns that are unique together; missing values apart
    unique_in_group  whole numbers from 0 that are unique, faster: {value, group_by}
    not_null         columns without missing values
    nullable         in place of not_null: the columns that may have some, unlike all others
    values           allowed values by column; a missing value is allowed
    complete         columns, or lists of columns, of which every combination of allowed values (in
                     values or ranges) has a row; or mappings of columns to lists of such values
    ranges           [lowest, highest] by column, null for an open end
    positive         columns above zero
    patterns         regular expression by column
    rules            {name, expression, where, severity}: what holds for every row, or for those
                     of `where`; a missing value breaks the rule; severity `warn` only warns
    sums             {total, group_by} by column of weights, none below zero
    means            {mean, tolerance, group_by, weight} by column
    reads            a relation that macros in the expressions read, so that dbt knows of it
#}
{% test table_rules(
    model, unique=[], unique_in_group=[], not_null=[], nullable=none, values={},
    complete=[], ranges={}, positive=[], patterns={}, rules=[], sums={}, means={}, reads=none
) %}

{#- Failures are the rows, those of warnings as well: it is an error if there are others. #}
{{- config(error_if="> count_if(severity = 'warn')") }}

{%- set checks, row_rules = [], [] %}
{%- for key in unique %}
    {%- do checks.append(repeated_keys(model, [key] if key is string else key)) %}
{%- endfor %}
{%- for key in unique_in_group %}
    {%- do checks.append(repeated_numbers(model, **key)) %}
{%- endfor %}
{%- set required = not_null | list %}
{%- if nullable is not none and execute %}
    {%- set columns = adapter.get_columns_in_relation(tested_table(model)) %}
    {%- for column in columns if column.name not in nullable %}
        {%- do required.append(column.name) %}
    {%- endfor %}
{%- endif %}
{%- for column in required %}
    {%- do row_rules.append({
        "column": column, "rule": "not null", "condition": column ~ " is null",
        "value": "shown_row"
    }) %}
{%- endfor %}
{%- for column, allowed in values.items() %}
    {%- do row_rules.append({
        "column": column, "rule": "one of " ~ allowed | join(", "),
        "condition": column ~ " not in (" ~ literals(allowed) ~ ")"
    }) %}
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
    {%- do row_rules.append({
        "column": column, "rule": limits | join(" and "), "condition": conditions | join(" or ")
    }) %}
{%- endfor %}
{%- for column in positive %}
    {%- do row_rules.append({"column": column, "rule": "above 0", "condition": column ~ " <= 0"}) %}
{%- endfor %}
{%- for column, pattern in patterns.items() %}
    {%- do row_rules.append({
        "column": column, "rule": "like " ~ pattern,
        "condition": "not " ~ column ~ " rlike " ~ text_literal(pattern)
    }) %}
{%- endfor %}
{%- for rule in row_rules if not rule.value %}
    {%- do rule.update({"value": "cast(" ~ rule.column ~ " as string)"}) %}
{%- endfor %}
{%- set shown = required | list %}
{%- for rule in rules %}
    {%- do row_rules.append(named_rule(**rule)) %}
    {%- do shown.extend([rule.expression, rule.where or ""]) %}
{%- endfor %}
{%- if row_rules %}
    {%- do checks.append(
        broken_rules(model, row_rules, columns_named_in(model, shown) if shown else [])
    ) %}
{%- endif %}
{%- for key in complete %}
    {%- set columns = [key] if key is string else key %}
    {%- set domain = key if key is mapping else {} %}
    {%- for column in columns if key is not mapping %}
        {%- set bounds = ranges.get(column, [0, -1]) %}
        {%- do domain.update(
            {column: values.get(column) or range(bounds[0], bounds[1] + 1) | list}
        ) %}
    {%- endfor %}
    {%- do checks.append(missing_rows(model, domain)) %}
{%- endfor %}
{%- for column, options in sums.items() %}
    {%- do checks.append(wrong_sums(model, column, **options)) %}
{%- endfor %}
{%- for column, options in means.items() %}
    {%- do checks.append(wrong_means(model, column, **options)) %}
{%- endfor %}
{%- if not checks and nullable is none %}
    {%- do exceptions.raise_compiler_error("table_rules without a rule on " ~ model) %}
{%- endif %}

{{ checks | join("\nunion all\n") }}

{% endtest %}
