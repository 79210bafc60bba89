{#
    What the table `world` says: a mapping of `date_key`, the last closed day, and `versions`, the
    Delta version of each table at that moment. Ask it first, and no table is ahead of another.

    STOCKTRUE_UP_TO, a date, takes the last closing up to that day, to replay them.
#}
{% macro last_closing() %}
    {% set world = source("stocktrue", "world") %}
    {% if not execute %}
        {% do return({"date_key": 0, "versions": {}}) %}
    {% endif %}
    {% set query %}
        select date_format(last_closed_date, 'yyyyMMdd') as date_key, table_versions
        from {{ world }}
        where last_closed_date <= cast('{{ env_var("STOCKTRUE_UP_TO", "9999-12-31") }}' as date)
        order by last_closed_date desc
        limit 1
    {% endset %}
    {% set row = run_query(query).rows[0] %}
    {% do return({"date_key": row[0], "versions": fromjson(row[1])}) %}
{% endmacro %}


{# A table as it was in a version. #}
{% macro as_of(relation, version) -%}
    {{ relation }} version as of {{ version }}
{%- endmacro %}


{# The newest version that the rows of this model come from. #}
{% macro version_read() %}
    {% do return(run_query("select max(read_version) from " ~ this).rows[0][0]) %}
{% endmacro %}
