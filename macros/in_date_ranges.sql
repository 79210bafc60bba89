{#
    The rows of a relation as a `union all` over consecutive ranges of whole months.

    The embedded engine writes the files of each branch apart, so that a file of the table holds a
    few months only and a filter on dates skips the other files by the statistics in the Delta log.
    That holds as long as the engine moves no rows between tasks above the union: where a join
    spreads both sides by their keys, the union has to come after it. Files of Apache Spark are
    parted alike; Databricks has liquid clustering and reads the plain relation.
#}
{% macro in_date_ranges(relation, bytes_per_position, condition=none) %}
    {%- set starts = date_range_starts(bytes_per_position) -%}
    {%- for index in range(starts | length + 1) -%}
    {%- set conditions = [condition] if condition else [] -%}
    {#- Open at both ends, so that no row is lost whatever its date. -#}
    {%- if index > 0 -%}
        {%- do conditions.append("date_key >= " ~ starts[index - 1]) -%}
    {%- endif -%}
    {%- if index < starts | length -%}
        {%- do conditions.append("date_key < " ~ starts[index]) -%}
    {%- endif -%}
    {{ "\n\n    union all\n\n    " if index > 0 }}select * from {{ relation }}
    {%- if conditions %}
    where {{ conditions | join("\n    and ") }}
    {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{#
    First date keys of all ranges of `in_date_ranges` but the first: ranges of equally many months,
    each with about 128 MB of the table.
#}
{% macro date_range_starts(bytes_per_position) %}
    {#- Models are parsed before the variables are checked. -#}
    {%- if not execute -%}
        {%- do return([]) -%}
    {%- endif -%}
    {%- set days = var("date_range_days") | int -%}
    {%- set first = modules.datetime.date.fromisoformat(var("start_date") | string) -%}
    {%- set last = first + modules.datetime.timedelta(days=days - 1) -%}
    {%- set first_month = 12 * first.year + first.month - 1 -%}
    {%- set months = 12 * last.year + last.month - first_month -%}
    {%- set positions = var("num_products") | int * var("num_locations") | int * days -%}
    {#- All ranges are written at once, each with its buffers: six at most. -#}
    {%- set wanted = (positions * bytes_per_position / 128000000) | round | int -%}
    {%- set most = 1 if target.type == "databricks" else 6 -%}
    {%- set ranges = [[wanted, months, most] | min, 1] | max -%}
    {%- set starts = [] -%}
    {%- for index in range(1, ranges) -%}
        {%- set month = first_month + index * months // ranges -%}
        {%- do starts.append(month // 12 * 10000 + (month % 12 + 1) * 100 + 1) -%}
    {%- endfor -%}
    {%- do return(starts) -%}
{% endmacro %}
