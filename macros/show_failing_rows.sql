{#
    Prints the first rows of each data test that failed, so that nobody has to look for the query.
    Runs at the end of a dbt command.
#}
{% macro show_failing_rows(results, limit=10) %}
    {% for result in results or [] if result.status in ["fail", "warn"] %}
        {% set name, sql = result.node.name, result.node.compiled_code %}
        {% if result.node.resource_type == "test" %}
            {% set found = run_query(
                "select *\nfrom (\n" ~ sql ~ "\n) as failing_rows\nlimit " ~ limit
            ) %}
            {% for row in found.rows %}
                {% set cells = [] %}
                {% for column, value in row.dict().items() if value is not none %}
                    {% do cells.append(column ~ " = " ~ value) %}
                {% endfor %}
                {% do log(name ~ ": " ~ (cells | join(", ") | truncate(400, true)), info=true) %}
            {% endfor %}
            {% if result.failures > limit %}
                {% do log(name ~ ": " ~ (result.failures - limit) ~ " more", info=true) %}
            {% endif %}
        {% endif %}
    {% endfor %}
{% endmacro %}
