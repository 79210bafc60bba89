{#
    First date keys of the ranges in which the adapter writes a large table, the first range apart:
    ranges of equally many months, each with about 128 MB. docs/engine_notes.md#files-of-large-tables
#}
{% macro file_range_starts(file_ranges) %}
    {%- set simulated = simulated_days() -%}
    {%- set first, last = simulated.first, simulated.last -%}
    {%- set days = (last - first).days + 1 -%}
    {%- set first_month = 12 * first.year + first.month - 1 -%}
    {%- set months = 12 * last.year + last.month - first_month -%}
    {%- set positions = var("num_products") | int * var("num_locations") | int * days -%}
    {%- set wanted = (positions * file_ranges['bytes_per_position'] / 128000000) | round | int -%}
    {%- set ranges = [[wanted, months, 6] | min, 1] | max -%}
    {%- set starts = [] -%}
    {%- for index in range(1, ranges) -%}
        {%- set month = first_month + index * months // ranges -%}
        {%- do starts.append(month // 12 * 10000 + (month % 12 + 1) * 100 + 1) -%}
    {%- endfor -%}
    {%- do return(starts) -%}
{% endmacro %}
