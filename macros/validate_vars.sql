{#
    The variables of this project: one entry each, in the order of dbt_project.yml.

    kind      whole number | number | date | optional date | day range (two whole numbers, the smaller first)
    min, max  smallest and largest value allowed, both included
    meaning   what it sets; the table in docs/variables.md says the same
#}
{% macro variable_spec() %}
    {% do return([
        {"name": "random_seed", "kind": "whole number", "min": 0, "max": 2147483647,
            "meaning": "same seed and variables, same rows"},
        {"name": "start_date", "kind": "date", "min": "2000-01-01", "max": "2049-12-31",
            "meaning": "first simulated day"},
        {"name": "end_date", "kind": "optional date", "min": "2000-01-01", "max": "2059-12-31",
            "meaning": "last simulated day in place of the first one; today and yesterday as well"},
        {"name": "date_range_days", "kind": "whole number", "min": 7, "max": 3650,
            "meaning": "number of simulated days when a world begins, the first one included"},
        {"name": "num_customers", "kind": "whole number", "min": 10, "max": 10000000,
            "meaning": "customers who are known when the world begins; others join every day"},
        {"name": "num_products", "kind": "whole number", "min": 10, "max": 1000000,
            "meaning": "products"},
        {"name": "num_locations", "kind": "whole number", "min": 5, "max": 1000,
            "meaning": "stores, warehouses and distribution centres together"},
        {"name": "target_stockout_rate", "kind": "number", "min": 0, "max": 0.5,
            "meaning": "share of ranged product-location-days with nothing available"},
        {"name": "low_inventory_threshold", "kind": "whole number", "min": 0, "max": 1000,
            "meaning": "fewer units than this at opening make shoppers leave"},
        {"name": "cart_abandonment_base_rate", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of digital carts abandoned when stock plays no part"},
        {"name": "cart_abandonment_increase", "kind": "number", "min": 0, "max": 1,
            "meaning": "added to that share when stock is low or capacity exceeded"},
        {"name": "cart_recovery_rate", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of abandoned carts that come back within a week"},
        {"name": "substitution_rate", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of shoppers who take something else when what they want is not on the"
                ~ " shelf"},
        {"name": "waiting_rate", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of those shoppers who come back for it within two weeks"},
        {"name": "return_rate", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of sold lines that come back"},
        {"name": "return_delay_days", "kind": "day range", "min": 1, "max": 30,
            "meaning": "fewest and most days from a return until its units can be sold again"},
        {"name": "demand_intensity", "kind": "number", "min": 0.001, "max": 10,
            "meaning": "average units wanted per product, location and day, before stock limits"
                ~ " and after ordinary cart abandonment"},
        {"name": "digital_share", "kind": "number", "min": 0, "max": 1,
            "meaning": "share of that demand that comes through digital channels"},
        {"name": "event_history_days", "kind": "whole number", "min": 0, "max": 3650,
            "meaning": "web events are kept for the last so many days; 0 keeps all days"},
    ]) %}
{% endmacro %}


{#
    Stops the command when a variable is wrong: one line names it, the value and what is allowed.

    Rendered when dbt parses the on-run-start hook, so every command stops before any table is
    touched, `dbt compile` and `dbt docs generate` included. Renders to an empty statement.
#}
{% macro validate_vars() %}
    {% set values = {} %}
    {% for entry in variable_spec() %}
        {% do values.update({entry.name: var(entry.name)}) %}
    {% endfor %}
    {# Installed as a package, we cannot tell a wrong name from a variable of the other project. #}
    {% set given = invocation_args_dict.get("vars") or {} if project_name == "stocktrue" else {} %}
    {% set problems = var_problems(values, given) %}
    {% if problems %}
        {% do exceptions.raise_compiler_error(problems | join("\n")) %}
    {% endif %}
{% endmacro %}


{# The lines about wrong `values` (every variable) and unknown names among those `given`. #}
{% macro var_problems(values, given) %}
    {% set spec = variable_spec() %}
    {% set problems = [] %}
    {% for name, value in given.items() if name not in ["append_days", "append_to"] %}
        {# Names with a colon belong to packages, such as 'dbt_date:time_zone'. #}
        {% if name not in values and ":" not in name | string %}
            {% set hint = closest_name(name | string, values | list) %}
            {% do problems.append(
                name ~ ": got " ~ shown_value(value) ~ ", but there is no such variable, "
                ~ ("did you mean " ~ hint ~ "?" if hint else "allowed: " ~ values | join(", "))
            ) %}
        {% endif %}
    {% endfor %}
    {% for entry in spec if not is_allowed_value(entry, values[entry.name]) %}
        {% do problems.append(
            entry.name ~ ": got " ~ shown_value(values[entry.name])
            ~ ", allowed: " ~ allowed_values(entry)
        ) %}
    {% endfor %}
    {% if not problems %}
        {% for name, other in [
            ("cart_abandonment_increase", "cart_abandonment_base_rate"),
            ("waiting_rate", "substitution_rate"),
        ] %}
            {# The margin lets 0.7 + 0.3 be 1 in floating point. #}
            {% if values[name] + values[other] > 1 + 1e-9 %}
                {% do problems.append(
                    name ~ ": got " ~ values[name] ~ ", allowed: at most 1 together with " ~ other
                    ~ " (" ~ values[other] ~ ")"
                ) %}
            {% endif %}
        {% endfor %}
        {# forecast_id is an int that counts weeks, locations and products. #}
        {% set locations, days = values["num_locations"], values["date_range_days"] %}
        {% set most = 2147483647 // (locations * ((days + 33) // 7 + 1)) %}
        {% if values["num_products"] > most %}
            {% do problems.append(
                "num_products: got " ~ values["num_products"] ~ ", allowed: at most " ~ most
                ~ " together with num_locations (" ~ locations ~ ") and date_range_days ("
                ~ days ~ ")"
            ) %}
        {% endif %}
    {% endif %}
    {% do return(problems) %}
{% endmacro %}


{# The known name that holds most letter pairs of the given one, if it holds over half of them. #}
{% macro closest_name(name, candidates) %}
    {% set best = namespace(name=none, shared=(name | length - 1) // 2) %}
    {% for candidate in candidates %}
        {% set pairs = namespace(shared=0) %}
        {% for i in range([name | length - 1, 0] | max) if name[i:i + 2] | lower in candidate %}
            {% set pairs.shared = pairs.shared + 1 %}
        {% endfor %}
        {% if pairs.shared > best.shared %}
            {% set best.name, best.shared = candidate, pairs.shared %}
        {% endif %}
    {% endfor %}
    {% do return(best.name) %}
{% endmacro %}


{% macro is_allowed_value(entry, value) %}
    {% if entry.kind == "whole number" %}
        {% do return(value is integer and entry.min <= value <= entry.max) %}
    {% elif entry.kind == "number" %}
        {# `.nan` compares false to everything, so it is outside any range. #}
        {% do return((value is integer or value is float) and entry.min <= value <= entry.max) %}
    {% elif entry.kind in ["date", "optional date"] %}
        {% if entry.kind == "optional date" and value in ["", none, "today", "yesterday"] %}
            {% do return(true) %}
        {% endif %}
        {% do return(is_date_text(value | string) and entry.min <= value | string <= entry.max) %}
    {% else %}
        {% do return(
            value is sequence and value is not string and value | length == 2
            and value[0] is integer and value[1] is integer
            and entry.min <= value[0] <= value[1] <= entry.max
        ) %}
    {% endif %}
{% endmacro %}


{# Whether the text is a day of the calendar written YYYY-MM-DD. #}
{% macro is_date_text(text) %}
    {% if not modules.re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) %}
        {% do return(false) %}
    {% endif %}
    {% set year, month, day = text[:4] | int, text[5:7] | int, text[8:] | int %}
    {% set is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) %}
    {% set lengths = [31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] %}
    {% do return(1 <= month <= 12 and 1 <= day <= lengths[month - 1]) %}
{% endmacro %}


{% macro allowed_values(entry) %}
    {% if entry.kind == "date" %}
        {% do return("a date 'YYYY-MM-DD' from " ~ entry.min ~ " to " ~ entry.max) %}
    {% elif entry.kind == "optional date" %}
        {% do return(
            "today, yesterday, a date 'YYYY-MM-DD' from " ~ entry.min ~ " to " ~ entry.max ~ ", or empty"
        ) %}
    {% elif entry.kind == "day range" %}
        {% do return(
            "[fewest, most] as two whole numbers from " ~ entry.min ~ " to " ~ entry.max
            ~ ", the smaller first"
        ) %}
    {% else %}
        {% do return("a " ~ entry.kind ~ " from " ~ entry.min ~ " to " ~ entry.max) %}
    {% endif %}
{% endmacro %}


{# The value on one line, a text in quotes, so that '5' is seen to be no number. #}
{% macro shown_value(value) %}
    {% if value is string %}
        {% do return("'" ~ value | replace("\n", " ") ~ "'") %}
    {% elif value is none %}
        {% do return("nothing") %}
    {% else %}
        {% do return(value | string | replace("\n", " ")) %}
    {% endif %}
{% endmacro %}
