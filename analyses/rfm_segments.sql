-- Which classes of recency, frequency and monetary value bring the revenue, and do they buy again?
-- Customers are rated 30 days before the last day, and these days show who did. 5 is the best fifth
-- of the buyers; equals share a class, so most of them have a frequency of 1.
with

sales as (

    select
        *,
        {{ date_of_key('date_key') }} as sale_date
    from {{ ref('gold_sales_fact') }}

),

customers as (

    select * from {{ ref('gold_customer_dim') }}
    -- The unknown shopper is many people.
    where customer_key != 0

),

rating_days as (

    select date_sub(max(sale_date), 30) as rating_date from sales

),

dated as (

    select
        sales.*,
        sales.sale_date <= rating_days.rating_date as is_rated
    from sales
    cross join rating_days

),

-- Returns lower what was spent and are no purchase.
buyers as (

    select
        customers.customer_id,
        max(if(dated.is_rated and not dated.is_return, dated.sale_date, null)) as last_sale_date,
        count(distinct if(dated.is_rated and not dated.is_return, dated.cart_id, null)) as orders,
        sum(if(dated.is_rated, {{ cents('dated.revenue') }}, 0)) as spent_cents,
        max(if(dated.is_rated or dated.is_return, 0, 1)) as bought_again
    from customers
    inner join dated on customers.customer_key = dated.customer_key
    group by customers.customer_id

),

ranked as (

    select
        *,
        rank() over (order by last_sale_date asc) - 1 as recency_rank,
        rank() over (order by orders asc) - 1 as frequency_rank,
        rank() over (order by spent_cents asc) - 1 as monetary_rank,
        count(*) over () as buyer_count
    from buyers
    where orders > 0

),

rated as (

    select
        1 + recency_rank * 5 div buyer_count as recency,
        1 + frequency_rank * 5 div buyer_count as frequency,
        1 + monetary_rank * 5 div buyer_count as monetary,
        orders,
        spent_cents,
        bought_again
    from ranked

),

classes as (

    select
        recency,
        frequency,
        monetary,
        count(*) as customers,
        sum(orders) as orders,
        sum(spent_cents) as spent_cents,
        sum(bought_again) as repeat_customers
    from rated
    group by recency, frequency, monetary

)

select
    recency,
    frequency,
    monetary,
    customers,
    customers / cast(sum(customers) over () as double) as customer_share,
    orders / cast(customers as double) as orders_per_customer,
    spent_cents / 100.0D / customers as revenue_per_customer,
    spent_cents / cast(sum(spent_cents) over () as double) as revenue_share,
    repeat_customers / cast(customers as double) as repeat_share
from classes
order by recency desc, frequency desc, monetary desc
