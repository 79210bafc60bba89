-- The gender that is told is the true one, and who joined in a store was won there, who joined
-- online was not. Who was known when the world began has no first order.
with

customers as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        if(gender = 'undisclosed', null, gender = 'male') as told_male,
        acquisition_channel = 'store' as was_won_in_store
    from {{ ref('gold_customer_dim') }}
    where
        customer_key != 0
        and {{ is_new_date('effective_date') }}

),

lives as (

    select
        customer_number,
        is_digital_join,
        shopper_class >= 8 as is_male
    from {{ ref('int_customer_lives') }}

),

described as (

    select
        customers.*,
        lives.is_male,
        lives.is_digital_join
    from customers
    left join lives on customers.customer_number = lives.customer_number

)

select * from described
where
    is_male is null
    or told_male != is_male
    or is_digital_join = was_won_in_store
