{#
    The days of the world that this command works on, from int_simulated_days: a mapping of `first`,
    `closed` (none: every day is to be computed) and `last`, dates. None where there is no such row
    yet, while dbt parses, and in unit tests, which have variables of their own.
#}
{% macro simulated_days() %}
    {% if model.resource_type == "unit_test" %}
        {% do return(none) %}
    {% endif %}
    {% set relation = ref("int_simulated_days") %}
    {% do return(days_of_command(relation) if execute else none) %}
{% endmacro %}


{#
    The row of int_simulated_days, asked once in a command: it is asked for a hundred times, and the
    same for all that comes after the model.
#}
{% macro days_of_command(relation) %}
    {% set key = "days of " ~ relation %}
    {% if not graph.get(key) %}
        {% do graph.update({key: days_in(relation)}) %}
    {% endif %}
    {% do return(graph[key]) %}
{% endmacro %}


{# The row of a relation like int_simulated_days, as above. #}
{% macro days_in(relation) %}
    {% set found = load_relation(relation) %}
    {% if not found %}
        {% do return(none) %}
    {% endif %}
    {% set rows = run_query("select first_date, closed_date, last_date from " ~ found).rows %}
    {% if not rows | length %}
        {% do return(none) %}
    {% endif %}
    {% do return({"first": rows[0][0], "closed": rows[0][1], "last": rows[0][2]}) %}
{% endmacro %}


{# A date as a SQL literal. #}
{% macro date_literal(date) -%}
    cast('{{ date }}' as date)
{%- endmacro %}


{# A date as the number YYYYMMDD. #}
{% macro key_of_date(date) %}
    {% do return(date.strftime("%Y%m%d") | int) %}
{% endmacro %}


{#
    Whether this run adds days to tables that are there. Else dbt builds them from the first day, as
    with --full-refresh: all of an incremental model's own rows count for nothing then.
#}
{% macro should_full_refresh() %}
    {% set configured = config.get("full_refresh") %}
    {% if configured is not none or flags.FULL_REFRESH %}
        {% do return(flags.FULL_REFRESH if configured is none else configured) %}
    {% endif %}
    {% if model.resource_type != "model" or config.get("materialized") != "incremental" %}
        {% do return(false) %}
    {% endif %}
    {% set days = simulated_days() %}
    {% do return(days is none or days.closed is none) %}
{% endmacro %}


{#
    Whether a model adds to its table, or a data test looks at what was added alone; a unit test of
    a model need not say so.
#}
{% macro is_appending() %}
    {% if model.resource_type == "test" %}
        {% do return(tested_days() is not none) %}
    {% endif %}
    {% do return(model.resource_type != "unit_test" and is_incremental()) %}
{% endmacro %}


{#
    Condition for the rows that an appended day needs: those whose `column`, a date key, lies after
    the last closed day, or at most `days_back` days before that. True for all in a full build.
#}
{% macro is_new(column, days_back=0) -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        {%- set last = days.closed - modules.datetime.timedelta(days=days_back) -%}
        {{ column }} > {{ key_of_date(last) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{# The same for a date. #}
{% macro is_new_date(date) -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        {{ date }} > {{ date_literal(days.closed) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{# The first of the days that is_new() is true for. #}
{% macro first_new_day() -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        date_add({{ date_literal(days.closed) }}, 1)
    {%- else -%}
        {{ first_simulated_day() }}
    {%- endif -%}
{%- endmacro %}


{#
    The same by periods: true for rows whose `column`, the date key with which a `period` (week or
    month) begins, is that of a period which new days belong to.
#}
{% macro is_in_open(period, column) -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        {{ column }} >= {{ replaced_keys(days)["open_" ~ period ~ "_date_key"] }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#
    Whether a week ends among the new days: what is calculated once a week, on Sundays, changes
    then. True in a full build.
#}
{% macro is_week_closed() -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        {{ replaced_keys(days)["week_is_closed"] }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{# The same for the rows of a week: true when its `column`, a date key, lies after the last Sunday. #}
{% macro is_new_week(column) -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        {{ column }} > {{ replaced_keys(days)["closed_sunday_date_key"] }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#
    Likewise of a model that plans whole months, more of them than are simulated: true for rows whose
    `column`, YYYYMM, is that of a month that is planned since new days began another one.
#}
{% macro is_newly_planned(column) -%}
    {%- set days = simulated_days() -%}
    {%- if not is_appending() -%}
        true
    {%- elif planned_month_key(days.last) == planned_month_key(days.closed) -%}
        false
    {%- else -%}
        {{ column }} > {{ planned_month_key(days.closed) }}
    {%- endif -%}
{%- endmacro %}


{# The last month, YYYYMM, for which demand is planned when a day is the last simulated one. #}
{% macro planned_month_key(day) %}
    {% set month = day.year * 12 + day.month - 1 + planned_months_ahead() %}
    {% do return(month // 12 * 100 + month % 12 + 1) %}
{% endmacro %}


{# Number of simulated days that are there already: none in a full build. #}
{% macro closed_day_count() -%}
    {%- set days = simulated_days() -%}
    {{ (days.closed - days.first).days + 1 if is_appending() else 0 }}
{%- endmacro %}


{# The first day of the calendar that is not in it yet. #}
{% macro first_new_calendar_day() -%}
    {%- set days = simulated_days() -%}
    {%- if is_appending() -%}
        date_add({{ date_literal(days.closed) }}, 366)
    {%- else -%}
        {{ first_calendar_day() }}
    {%- endif -%}
{%- endmacro %}


{# True when a date lies in the part of the calendar that the new days bring. #}
{% macro is_new_in_calendar(date) -%}
    {%- set first_new_day = first_new_calendar_day() -%}
    {{ date ~ " >= " ~ first_new_day if is_appending() else "true" }}
{%- endmacro %}


{# The last Sunday up to a date. #}
{% macro last_sunday(date) %}
    {% do return(date - modules.datetime.timedelta(days=date.isoweekday() % 7)) %}
{% endmacro %}


{#
    Which rows of a table an appended day replaces: the config `incremental_predicates`, with the
    days of the world in place of {closed_date_key} and the others below.
#}
{% macro replaced_rows(predicates, days=none) %}
    {% set filled = [] %}
    {% set keys = replaced_keys(days or simulated_days()) %}
    {% for predicate in ([predicates] if predicates is string else predicates) %}
        {% set text = namespace(value=predicate) %}
        {% for name, key in keys.items() %}
            {% set text.value = text.value | replace("{" ~ name ~ "}", key) %}
        {% endfor %}
        {% do filled.append("(" ~ text.value ~ ")") %}
    {% endfor %}
    {% do return(filled | join(" and ")) %}
{% endmacro %}


{# What may stand in braces in the config `incremental_predicates`. #}
{% macro replaced_keys(days) %}
    {% set first_open = days.closed + modules.datetime.timedelta(days=1) %}
    {% set open_week = first_open - modules.datetime.timedelta(days=first_open.weekday()) %}
    {% set closed_sunday, sunday = last_sunday(days.closed), last_sunday(days.last) %}
    {% do return({
        "closed_date_key": key_of_date(days.closed),
        "week_before_date_key": key_of_date(days.closed - modules.datetime.timedelta(days=7)),
        "wait_before_date_key":
            key_of_date(days.closed - modules.datetime.timedelta(days=longest_wait())),
        "open_week_date_key": key_of_date(open_week),
        "open_month_date_key": key_of_date(first_open.replace(day=1)),
        "closed_month_key": key_of_date(days.closed) // 100,
        "planned_month_key": planned_month_key(days.closed),
        "first_event_date_key": key_of_date(first_event_date(days)),
        "calendar_date_key": key_of_date(days.closed + modules.datetime.timedelta(days=365)),
        "week_is_closed": "1 = 1" if sunday > closed_sunday else "1 = 0",
        "closed_sunday_date_key":
            key_of_date(closed_sunday) if sunday > closed_sunday else 99991231,
    }) %}
{% endmacro %}


{# For databricks: REPLACE WHERE with the predicates filled in. #}
{% macro databricks__get_incremental_replace_where_sql(arg_dict) %}
    {% do arg_dict.update(
        {"incremental_predicates": replaced_rows(arg_dict["incremental_predicates"])}
    ) %}
    {% do return(get_replace_where_sql(arg_dict)) %}
{% endmacro %}
