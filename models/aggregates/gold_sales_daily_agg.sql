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

    select date_key
    from dates

),

{{ sales_rollup('date_key') }}
