with

dates as (

    select * from {{ ref('gold_date_dim') }}

),

customer_days as (

    select * from {{ ref('int_customer_sales_days') }}

),

stockout_days as (

    select * from {{ ref('int_stockout_days') }}

),

periods as (

    select
        date_key,
        {{ date_key(week_start('calendar_date')) }} as week_start_date_key
    from dates

),

{{ sales_rollup('week_start_date_key') }}
