{#
    Prints the number of rows and a hash of the content of every built table of this project.

        dbt run-operation fingerprint --args '{intermediate: true, format: json}'

    Equal tables have equal fingerprints whatever the engine, the order of the rows and the layout
    of the files; etl_timestamp and table_versions do not count. Lines are printed as the tables are read.
#}
{% macro fingerprint(intermediate=false, format="table") %}
    {% if format not in ["table", "json"] %}
        {% do exceptions.raise_compiler_error(
            "format: got " ~ shown_value(format) ~ ", allowed: table, json"
        ) %}
    {% endif %}
    {% set missing, lines = [], [] %}
    {% for node in graph.nodes.values() | sort(attribute="name")
            if node.resource_type == "model" and node.package_name == project_name
            and node.config.materialized != "ephemeral"
            and (intermediate or not node.name.startswith("int_")) %}
        {% set relation = adapter.get_relation(node.database, node.schema, node.alias) %}
        {% if relation is none %}
            {% do missing.append(node.name) %}
        {% else %}
            {% set columns = adapter.get_columns_in_relation(relation) %}
            {% set found = run_query(fingerprint_query(relation, columns)).rows[0] %}
            {% set rows, hash = found[0] | int, "%016x" % (found[1] | int % 2**64) %}
            {% do lines.append(node.name ~ " " ~ rows ~ " " ~ hash) %}
            {% if format == "json" %}
                {% do print(tojson({"table": node.name, "rows": rows, "hash": hash})) %}
            {% else %}
                {% do print("%-40s %15s  %s" | format(node.name, "{:,}".format(rows), hash)) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {% if not lines %}
        {% do exceptions.raise_compiler_error(
            "no table in schema " ~ target.schema ~ " of target " ~ target.name
            ~ ": run make build first"
        ) %}
    {% endif %}
    {% if format == "table" %}
        {% set total = local_md5(lines | join("\n"))[:16] %}
        {% do print("%-40s %15s  %s" | format("together", lines | length ~ " tables", total)) %}
        {% if missing %}
            {% do print("not built: " ~ missing | join(", ")) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{#
    One row: the number of rows, and the sum of a 64-bit hash of each row as text.

    The order of rows does not change a sum, a row that is there twice does. xxhash64 skips NULL, so
    each value is followed by whether it is one; NaN has many bit patterns, so it is replaced by one.
    A sum of decimals has room for 10 billion rows.
#}
{% macro fingerprint_query(relation, columns) %}
    select
        count(*) as row_count,
        cast(
            coalesce(
                sum(
                    cast(
                        xxhash64(
                            {%- for column in columns | sort(attribute="name")
                                    if column.name not in ["etl_timestamp", "table_versions"] %}
                            {{ "nanvl(%s, cast('NaN' as double))" | format(column.quoted)
                                if column.dtype == "double" else column.quoted }},
                            {{ column.quoted }} is null{{ "," if not loop.last }}
                            {%- endfor %}
                        ) as decimal(20, 0)
                    )
                ),
                0
            ) as string
        ) as row_hash_sum
    from {{ relation }}
{% endmacro %}
