{#
    The days of the world that a data test looks at, as of simulated_days(), when it is to look at
    what an append changed alone; none when it looks at everything. An append is what the selector
    of that name selects, or a build that is asked for days.
#}
{% macro tested_days() %}
    {% if not execute or "whole_world" in model.tags %}
        {% do return(none) %}
    {% endif %}
    {% set command = invocation_args_dict %}
    {% if command.selector != "append" and not (command.which == "build" and requested_days()) %}
        {% do return(none) %}
    {% endif %}
    {% set relation = built_relation("int_simulated_days") %}
    {% set days = days_of_command(relation) if relation else none %}
    {% do return(days if days and days.closed is not none else none) %}
{% endmacro %}


{#
    What a generic test looks at: a table, or its rows that the configuration `where` is true for.
    In an append only those that were added or replaced: a model says by its incremental_predicates
    which they are, and of rows that are merged the time of loading tells it.
#}
{% macro get_where_subquery(relation) %}
    {% set conditions = [] %}
    {% if config.get("where") %}
        {% do conditions.append(config.get("where")) %}
    {% endif %}
    {% set days = tested_days() %}
    {% set tested = graph.nodes[model.attached_node].config if days else {} %}
    {% if tested.materialized == "incremental" %}
        {% do conditions.append(
            replaced_rows(tested.incremental_predicates, days) if tested.incremental_predicates
            else "etl_timestamp > " ~ closing_time(days)
        ) %}
    {% endif %}
    {% if not conditions %}
        {% do return(relation) %}
    {% endif %}
    {% do return(
        "(select * from " ~ relation ~ " where " ~ conditions | join(" and ") ~ ") as tested_rows"
    ) %}
{% endmacro %}


{# When the last closed day was closed, a SQL timestamp. #}
{% macro closing_time(days) %}
    {% set key = "closing time of " ~ days.closed %}
    {% if not graph.get(key) %}
        {% set query %}
            select max(etl_timestamp) from {{ built_relation("world") }}
            where last_closed_date <= {{ date_literal(days.closed) }}
        {% endset %}
        {% do graph.update({key: run_query(query).rows[0][0]}) %}
    {% endif %}
    {% do return("cast('" ~ graph[key] ~ "' as timestamp)") %}
{% endmacro %}
