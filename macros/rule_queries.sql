{#
    The queries that the test table_rules consists of; all return severity, column_name, rule and
    value_found.
#}

{# Hashes are grouped first: a quarter of the time of grouping millions of texts. #}
{% macro repeated_keys(model, columns) -%}
{%- set texts = [] %}
{%- for column in columns %}
    {%- do texts.append("cast(" ~ column ~ " as string)") %}
{%- endfor -%}
{%- set hash = "xxhash64(" ~ columns | join(", ") ~ ")" -%}
{%- set is_there = "(" ~ columns | join(" is not null or ") ~ " is not null)" -%}
select
    'error' as severity,
    '{{ columns | join(", ") }}' as column_name,
    'unique' as rule,
    concat_ws(', ', {{ texts | join(", ") }}) as value_found
from {{ model }}
where
    {{ is_there }}
    and {{ hash }} in (
        select {{ hash }}
        from {{ model }}
        where {{ is_there }}
        group by {{ hash }}
        having count(*) > 1
    )
group by {{ columns | join(", ") }}
having count(*) > 1
{%- endmacro %}


{#
    One bit for each of 64 values takes a fifth of the time of grouping millions of rows by all the
    columns of a key. A missing value sets no bit.
#}
{% macro repeated_numbers(model, value, group_by=[]) -%}
{%- set texts = [] %}
{%- for column in group_by %}
    {%- do texts.append("cast(" ~ column ~ " as string)") %}
{%- endfor -%}
{%- do texts.append("concat('64 values from ', cast(" ~ value ~ " div 64 * 64 as string))") -%}
{%- set keys = (group_by + [value ~ " div 64"]) | join(", ") -%}
select
    'error' as severity,
    '{{ (group_by + [value]) | join(", ") }}' as column_name,
    'unique' as rule,
    concat_ws(', ', {{ texts | join(", ") }}) as value_found
from {{ model }}
group by {{ keys }}
having
    count(*) != coalesce(
        bit_count(bit_or(shiftleft(cast(1 as bigint), cast({{ value }} % 64 as int)))), 0
    )
{%- endmacro %}


{#
    All rules that are about one row, in one scan. A rule is a mapping: `column` or nothing, `rule`
    in words, `severity` or nothing, `condition` that is true for a row that breaks it, and `value`,
    the text to show.
#}
{% macro broken_rules(model, rules, shown_columns) -%}
select
    broken_rule.severity,
    broken_rule.column_name,
    broken_rule.rule,
    broken_rule.value_found
from (
    select
        explode(array(
            {%- for each in rules %}
            if(
                {{ each.condition }},
                named_struct(
                    'severity', '{{ each.severity or "error" }}',
                    'column_name', {{ text_literal(each.column) if each.column
                        else "cast(null as string)" }},
                    'rule', {{ text_literal(each.rule) }},
                    'value_found', {{ each.value }}
                ),
                null
            ){{ "," if not loop.last }}
            {%- endfor %}
        )) as broken_rule
    from (
        select
            *,
            {% if shown_columns %}to_json(struct({{ shown_columns | join(", ") }}))
            {%- else %}cast(null as string){% endif %} as shown_row
        from {{ model }}
        where
            {%- for each in rules %}
            {{ "or " if not loop.first }}({{ each.condition }})
            {%- endfor %}
    ) as rows_with_broken_rules
) as all_rules
where broken_rule is not null
{%- endmacro %}


{# A rule with a name of its own, as broken_rules takes it. No row may leave the rule undecided. #}
{% macro named_rule(name, expression, where=none, severity="error") -%}
{{- return({
    "rule": name,
    "severity": severity,
    "condition": ("(" ~ where ~ ") and " if where else "")
        ~ "not coalesce(" ~ expression ~ ", false)",
    "value": "shown_row"
}) }}
{%- endmacro %}


{# The first column, which most often is the key, and those that the texts name. #}
{% macro columns_named_in(model, texts) -%}
{%- if not execute %}
    {{- return(["*"]) }}
{%- endif %}
{%- set words = modules.re.findall("[a-z_0-9]+", texts | join(" ")) %}
{%- set found = [] %}
{%- for column in adapter.get_columns_in_relation(tested_table(model)) %}
    {%- if loop.first or column.name in words %}
        {%- do found.append(column.name) %}
    {%- endif %}
{%- endfor %}
{{- return(found) }}
{%- endmacro %}


{# The table of which a test looks at all rows or, as a query, at some. #}
{% macro tested_table(rows) %}
    {% if rows is not string %}
        {% do return(rows) %}
    {% endif %}
    {% set node = graph.nodes[model.attached_node] %}
    {% do return(api.Relation.create(node.database, node.schema, node.alias)) %}
{% endmacro %}


{# The combinations of the listed values, a list by column, that no row has. #}
{% macro missing_rows(model, domain) -%}
{%- set texts, matches = [], [] %}
{%- for column in domain %}
    {%- do texts.append("cast(wanted_" ~ loop.index ~ " as string)") %}
    {%- do matches.append("wanted_" ~ loop.index ~ " = " ~ column) %}
{%- endfor -%}
select
    'error' as severity,
    '{{ domain | join(", ") }}' as column_name,
    'a row for each' as rule,
    concat('none for ', concat_ws(', ', {{ texts | join(", ") }})) as value_found
from
    {%- for values in domain.values() %}
    {{ "cross join " if not loop.first }}(
        select explode(array({{ literals(values) }})) as wanted_{{ loop.index }}
    ) as wanted_values_{{ loop.index }}
    {%- endfor %}
left anti join {{ model }} on {{ matches | join(" and ") }}
{%- endmacro %}


{% macro literals(values) -%}
{%- for value in values -%}
    {{ text_literal(value) if value is string else value }}{{ ", " if not loop.last }}
{%- endfor -%}
{%- endmacro %}


{% macro wrong_sums(model, column, total=1000, group_by=[]) -%}
{{ wrong_groups(
    model, column, "sum " ~ total ~ ", none below 0", "sum(" ~ column ~ ")", group_by,
    "sum(" ~ column ~ ") != " ~ total ~ " or min(" ~ column ~ ") < 0"
) }}
{%- endmacro %}


{% macro wrong_means(model, column, mean=1, tolerance=0.001, group_by=[], weight="1") -%}
{%- set measured = "sum(" ~ column ~ " * " ~ weight ~ ") / sum(" ~ weight ~ ")" -%}
{{ wrong_groups(
    model, column, "mean " ~ mean ~ (" weighted by " ~ weight if weight != "1" else ""), measured,
    group_by, "abs(" ~ measured ~ " - " ~ mean ~ ") > " ~ tolerance
) }}
{%- endmacro %}


{% macro wrong_groups(model, column, rule, measure, group_by, condition) -%}
{%- set texts = [] %}
{%- for each in group_by %}
    {%- do texts.append("cast(" ~ each ~ " as string)") %}
{%- endfor -%}
{%- do texts.append("coalesce(cast(" ~ measure ~ " as string), 'nothing')") -%}
select
    'error' as severity,
    '{{ column }}' as column_name,
    {{ text_literal(rule ~ (" for each " ~ group_by | join(", ") if group_by else "")) }} as rule,
    concat_ws(', ', {{ texts | join(", ") }}) as value_found
from {{ model }}
{%- if group_by %}
group by {{ group_by | join(", ") }}
{%- endif %}
having {{ measure }} is null or {{ condition }}
{%- endmacro %}


{% macro text_literal(text) -%}
'{{ text | replace("'", "\\'") }}'
{%- endmacro %}
