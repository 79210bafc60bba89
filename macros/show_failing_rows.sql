{#
    Prints the first rows of each data test that failed, so that nobody has to look for the query;
    of rules with more rows than that also how many each rule has, errors before warnings. Runs at
    the end of a dbt command.
#}
{% macro show_failing_rows(results, limit=10) %}
    {% for result in results or [] if result.status in ["fail", "warn"] %}
        {% set node = result.node %}
        {% if node.resource_type == "test" %}
            {% set rows = "(\n" ~ node.compiled_code ~ "\n) as failing_rows" %}
            {% set are_rules = node.test_metadata and node.test_metadata.name == "table_rules" %}
            {% set order = "\norder by severity" if are_rules else "" %}
            {{ show_rows(node.name, "select *\nfrom " ~ rows ~ order ~ "\nlimit " ~ limit) }}
            {% if result.failures > limit %}
                {% do log(node.name ~ ": " ~ (result.failures - limit) ~ " more", info=true) %}
                {% if are_rules %}
                    {{ show_rows(
                        node.name,
                        "select severity, column_name, rule, count(*) as rows_found\nfrom " ~ rows
                        ~ "\ngroup by severity, column_name, rule\norder by severity, rule"
                    ) }}
                {% endif %}
            {% endif %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{# Prints each row of a query in a line that begins with a name; empty cells are left out. #}
{% macro show_rows(name, query) %}
    {% for row in run_query(query).rows %}
        {% set cells = [] %}
        {% for column, value in row.dict().items() if value is not none %}
            {% do cells.append(column ~ " = " ~ value) %}
        {% endfor %}
        {% do log(name ~ ": " ~ (cells | join(", ") | truncate(400, true)), info=true) %}
    {% endfor %}
{% endmacro %}
