{# A date as a YYYYMMDD integer; arithmetic, because formatting text is many times slower. #}
{% macro date_key(date) -%}
    year({{ date }}) * 10000 + month({{ date }}) * 100 + day({{ date }})
{%- endmacro %}


{# The date of a YYYYMMDD integer. #}
{% macro date_of_key(date_key) -%}
    make_date({{ date_key }} div 10000, {{ date_key }} div 100 % 100, {{ date_key }} % 100)
{%- endmacro %}
