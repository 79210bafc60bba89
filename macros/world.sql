{#
    The days that the next models compute, for int_simulated_days: a mapping of SQL dates `first`,
    `closed` and `last`.

    A world begins with the days of the variables. What append_to or append_days asks for continues
    after the last closed day; days that an earlier command began but did not finish are done again,
    because revised rows may be ahead already.
#}
{% macro days_to_simulate() %}
    {% set from_variables = {
        "first": first_day_of_variables(),
        "closed": "cast(null as date)",
        "last": last_day_of_variables(),
    } %}
    {% if not execute or flags.FULL_REFRESH %}
        {% do return(from_variables) %}
    {% endif %}
    {% set present, requested = days_in(this), requested_days() %}
    {% if present is none or (present.closed is none and not requested) %}
        {% do return(from_variables) %}
    {% endif %}
    {% set closed, last = present.closed, present.last %}
    {% if requested %}
        {% set closed = last_closing().last_closed_date %}
        {% set last = [present.last, requested_last_day(requested, closed), closed] | max %}
    {% endif %}
    {# Files of Parquet cannot be changed in part, so Apache Spark computes all days again. #}
    {% do return({
        "first": date_literal(present.first),
        "closed": "cast(null as date)" if target.engine == "spark" else date_literal(closed),
        "last": date_literal(last),
    }) %}
{% endmacro %}


{# What this command is asked to append: the text of a day, or of a number of days; none. #}
{% macro requested_days() %}
    {% set to = var("append_to", none) or env_var("STOCKTRUE_APPEND_TO", "") %}
    {% set days = var("append_days", none) or env_var("STOCKTRUE_APPEND_DAYS", "") %}
    {% do return({"to": to | string, "days": days | string} if to or days else none) %}
{% endmacro %}


{# The last day asked for, a date. #}
{% macro requested_last_day(requested, closed) %}
    {% if requested.days %}
        {% do return(closed + modules.datetime.timedelta(days=requested.days | int)) %}
    {% endif %}
    {% set today = run_started_at.date() %}
    {% if requested.to == "today" %}
        {% do return(today) %}
    {% elif requested.to == "yesterday" %}
        {% do return(today - modules.datetime.timedelta(days=1)) %}
    {% endif %}
    {% do return(modules.datetime.date.fromisoformat(requested.to)) %}
{% endmacro %}


{# The last row of the table world, none without one. #}
{% macro last_closing() %}
    {% set relation = built_relation("world") %}
    {% if relation is none %}
        {% do return(none) %}
    {% endif %}
    {% set query = "select * from " ~ relation ~ " order by last_closed_date desc limit 1" %}
    {% set rows = run_query(query).rows %}
    {% do return(rows[0] if rows | length else none) %}
{% endmacro %}


{# The table of a model of this project, where nothing refers to it; none without one. #}
{% macro built_relation(name) %}
    {% set node = graph.nodes.get("model.stocktrue." ~ name) %}
    {% if not node %}
        {% do return(none) %}
    {% endif %}
    {% do return(adapter.get_relation(node.database, node.schema, node.alias)) %}
{% endmacro %}


{# Variables that say how long a world is, not what happens in it. #}
{% macro horizon_variables() %}
    {% do return(["date_range_days", "end_date"]) %}
{% endmacro %}


{# What a world is made from: JSON objects of its variables and of a hash of each seed file. #}
{% macro variables_as_json() %}
    {% set values = {} %}
    {% for entry in variable_spec() %}
        {% do values.update({entry.name: var(entry.name)}) %}
    {% endfor %}
    {% do return(tojson(values, sort_keys=true)) %}
{% endmacro %}


{% macro seed_files_as_json() %}
    {% set hashes = {} %}
    {% if execute %}
        {% for node in graph.nodes.values() if node.resource_type == "seed" %}
            {% do hashes.update({node.name: node.checksum.checksum[:16]}) %}
        {% endfor %}
    {% endif %}
    {% do return(tojson(hashes, sort_keys=true)) %}
{% endmacro %}


{#
    JSON object of the version that each table has now; empty where the engine does not say. Without
    those that are built anew by each attempt of an append, or whenever quality is measured: of such
    a table the version before the last is gone.
#}
{% macro table_versions_as_json() %}
    {% set versions = {} %}
    {% if execute and target.type == "embedded" %}
        {% for node in graph.nodes.values() | sort(attribute="name")
                if node.resource_type == "model" and node.name != "world"
                and node.config.materialized in ["table", "incremental"]
                and "rebuilt_daily" not in node.tags and "quality" not in node.tags %}
            {% set relation = built_relation(node.name) %}
            {% set version = adapter.table_version(relation) if relation else none %}
            {% if version is not none %}
                {% do versions.update({node.name: version}) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% do return(tojson(versions)) %}
{% endmacro %}


{#
    Stops a command that would write into a world with days appended, or append to one, when the
    variables or seed files are not those that it was made from. Before any table is touched.
#}
{% macro check_world() %}
    {% if not execute or invocation_args_dict.which not in ["build", "run", "seed"]
            or flags.FULL_REFRESH %}
        {% do return("") %}
    {% endif %}
    {% set requested = requested_days() %}
    {% set relation = built_relation("int_simulated_days") %}
    {% set days = days_in(relation) if relation else none %}
    {% if not requested and (not days or days.closed is none) %}
        {% do return("") %}
    {% endif %}
    {% set closing = last_closing() %}
    {% set problems = request_problems(requested or {}) %}
    {% if not days or closing is none %}
        {% do problems.append(
            "schema " ~ target.schema ~ " of target " ~ target.name ~ " holds no complete world to"
            ~ " append days to: run make build first"
        ) %}
    {% elif not problems %}
        {% set begun = run_query("select * from " ~ relation).rows[0] %}
        {% set problems = world_problems(closing) or unfinished_build(begun, closing) %}
    {% endif %}
    {% if problems %}
        {% do exceptions.raise_compiler_error(problems | join("\n")) %}
    {% endif %}
{% endmacro %}


{# The lines about a request that cannot be read. #}
{% macro request_problems(requested) %}
    {% set problems = [] %}
    {% set days, to = requested.days or "", requested.to or "" %}
    {% if days and to %}
        {% do problems.append("append_days and append_to: give one of them") %}
    {% elif days and not (modules.re.fullmatch("[0-9]{1,4}", days) and days | int > 0) %}
        {% do problems.append(
            "append_days: got " ~ days ~ ", allowed: a whole number from 1 to 9999"
        ) %}
    {% elif to and to not in ["today", "yesterday"] and not is_date_text(to) %}
        {% do problems.append(
            "append_to: got " ~ to ~ ", allowed: a date YYYY-MM-DD, today or yesterday"
        ) %}
    {% endif %}
    {% do return(problems) %}
{% endmacro %}


{# The lines about what a row of world or int_simulated_days was made from and is not any more. #}
{% macro changes_since(row) %}
    {% set changes = [] %}
    {% set was, now = fromjson(row.variables), fromjson(variables_as_json()) %}
    {% for name, value in now.items() if name not in horizon_variables() %}
        {% if value != was.get(name) %}
            {% do changes.append(
                name ~ ": was " ~ shown_value(was.get(name)) ~ ", is " ~ shown_value(value)
            ) %}
        {% endif %}
    {% endfor %}
    {% set was, now = fromjson(row.seed_files), fromjson(seed_files_as_json()) %}
    {% for name, value in now.items() if value != was.get(name) %}
        {% do changes.append(
            "seed " ~ name ~ ": was " ~ (was.get(name) or "not there") ~ ", is " ~ value
            ~ " (sha256 of the file)"
        ) %}
    {% endfor %}
    {% do return(changes) %}
{% endmacro %}


{#
    The line about tables that are not those of the last closing: a whole build began after it, from
    something else or of other days, and did not end. On Apache Spark an append is a whole build.
#}
{% macro unfinished_build(begun, closing) %}
    {% set goes_on = closing.last_closed_date in [begun.closed_date, begun.last_date]
        or target.engine == "spark" %}
    {% if goes_on and not changes_since(begun) %}
        {% do return([]) %}
    {% endif %}
    {% do return([
        "the world in schema " ~ target.schema ~ " was complete up to " ~ closing.last_closed_date
        ~ ", but a build that began later did not end, so its tables are not of one world: build it"
        ~ " anew (make build, dbt build --full-refresh)."
    ]) %}
{% endmacro %}


{# The lines of changes_since() about the world of a closing, and what can be done. #}
{% macro world_problems(closing) %}
    {% set problems = changes_since(closing) %}
    {% if problems %}
        {% do problems.insert(
            0,
            "the world in schema " ~ target.schema ~ ", complete up to "
            ~ closing.last_closed_date ~ ", was made from something else:"
        ) %}
        {% do problems.append(
            "Go on with what it was made from, build another world beside it (STOCKTRUE_SCHEMA), or"
            ~ " build it anew (make build, dbt build --full-refresh)."
        ) %}
    {% endif %}
    {% do return(problems) %}
{% endmacro %}
