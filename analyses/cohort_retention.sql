-- How many of the customers who first bought in a month buy again, in that month and those after?
-- Only of those who joined in the window is it the first purchase of all; of the others it is the
-- first that the window shows, and who buys often is likelier to be seen early.
with

sales as (

    select
        *,
        {{ date_of_key('date_key') }} as sale_date
    from {{ ref('gold_sales_fact') }}
    where not is_return

),

customers as (

    select * from {{ ref('gold_customer_dim') }}
    -- The unknown shopper is many people.
    where customer_key != 0

),

first_days as (

    select min(sale_date) as first_date from sales

),

-- The window may hold a part of its first and last month only.
months as (

    select
        year(sale_date) * 12 + month(sale_date) as month_number,
        count(distinct sale_date) as days_with_sales
    from sales
    group by year(sale_date) * 12 + month(sale_date)

),

customer_months as (

    select
        customers.customer_id,
        customers.acquisition_date,
        year(sales.sale_date) * 12 + month(sales.sale_date) as month_number,
        min(sales.sale_date) as first_sale_date,
        count(distinct sales.cart_id) as orders
    from customers
    inner join sales on customers.customer_key = sales.customer_key
    group by
        customers.customer_id,
        customers.acquisition_date,
        year(sales.sale_date) * 12 + month(sales.sale_date)

),

-- The first order itself is no repetition.
purchases as (

    select
        customer_months.month_number,
        customer_months.acquisition_date >= first_days.first_date as joined_in_window,
        min(customer_months.first_sale_date) over (partition by customer_months.customer_id)
            as cohort_date,
        customer_months.orders
        - if(
            customer_months.month_number
            = min(customer_months.month_number) over (partition by customer_months.customer_id),
            1,
            0
        ) as later_orders
    from customer_months
    cross join first_days

),

counted as (

    select
        trunc(cohort_date, 'month') as cohort_month,
        year(cohort_date) * 12 + month(cohort_date) as cohort_month_number,
        joined_in_window,
        month_number,
        count(*) as buyers,
        count(if(later_orders > 0, 1, null)) as repeat_buyers
    from purchases
    group by
        trunc(cohort_date, 'month'),
        year(cohort_date) * 12 + month(cohort_date),
        joined_in_window,
        month_number

),

cohorts as (

    select
        cohort_month,
        cohort_month_number,
        joined_in_window,
        buyers as customers
    from counted
    where month_number = cohort_month_number

)

select
    cohorts.cohort_month,
    cohorts.joined_in_window,
    cohorts.customers,
    months.month_number - cohorts.cohort_month_number as months_since,
    months.days_with_sales,
    coalesce(counted.repeat_buyers, 0) as repeat_buyers,
    coalesce(counted.repeat_buyers, 0) / cast(cohorts.customers as double) as repeat_share
from cohorts
inner join months on cohorts.cohort_month_number <= months.month_number
left join counted
    on
        cohorts.cohort_month_number = counted.cohort_month_number
        and cohorts.joined_in_window = counted.joined_in_window
        and months.month_number = counted.month_number
order by cohorts.joined_in_window asc, cohorts.cohort_month asc, months_since asc
