-- What is a customer of each segment worth, and does lifetime_value tell who will spend more?
-- The segment is that of the eve of the window: later ones follow from what is measured here.
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

first_days as (

    select min(sale_date) as first_date from sales

),

-- The first version of all, and the one in force on the eve where there was one.
starts as (

    select
        customers.customer_id,
        customers.lifetime_value,
        if(customers.acquisition_date < first_days.first_date, customers.segment, 'joined later')
            as segment
    from customers
    cross join first_days
    where
        if(
            customers.acquisition_date < first_days.first_date,
            date_sub(first_days.first_date, 1)
            between customers.effective_date and customers.expiration_date,
            customers.effective_date = customers.acquisition_date
        )

),

-- Returns lower what was spent and are no purchase.
spending as (

    select
        customers.customer_id,
        count(distinct if(sales.is_return, null, sales.cart_id)) as orders,
        sum({{ cents('sales.revenue') }}) as spent_cents
    from customers
    inner join sales on customers.customer_key = sales.customer_key
    group by customers.customer_id

),

-- Who does not buy spends nothing and counts in the correlation.
spent as (

    select
        starts.segment,
        starts.lifetime_value,
        coalesce(spending.orders, 0) as orders,
        coalesce(spending.spent_cents, 0) as spent_cents
    from starts
    left join spending on starts.customer_id = spending.customer_id

),

segments as (

    select
        segment,
        count(*) as customers,
        count(if(orders > 0, 1, null)) as buyers,
        sum(orders) as orders,
        sum(spent_cents) as spent_cents,
        avg(lifetime_value) as lifetime_value,
        covar_pop(lifetime_value, cast(spent_cents as double)) as covariance,
        stddev_pop(lifetime_value) * stddev_pop(cast(spent_cents as double)) as deviations
    from spent
    group by segment

)

select
    segment,
    customers,
    buyers,
    buyers / cast(customers as double) as buyer_share,
    orders / cast(nullif(buyers, 0) as double) as orders_per_buyer,
    spent_cents / 100.0D / nullif(buyers, 0) as revenue_per_buyer,
    customers / cast(sum(customers) over () as double) as customer_share,
    spent_cents / cast(sum(spent_cents) over () as double) as revenue_share,
    lifetime_value as mean_lifetime_value,
    -- Not corr: with ANSI mode it fails where nobody buys.
    covariance / nullif(deviations, 0.0D) as value_spending_correlation
from segments
order by revenue_per_buyer desc, segment asc
