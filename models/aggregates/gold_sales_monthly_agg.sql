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
        year * 10000 + month * 100 + 1 as month_start_date_key
    from dates

),

{{ sales_rollup('month_start_date_key') }}
