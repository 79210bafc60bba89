-- A fact joined to its customer by key must show who the customer was on that day: segment and tier
-- of a later version would leak the future. Versions tile the time, so the version in force is the
-- one whose dates hold the fact's; the first and the last fact of a version tell for all.
with

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

spans as (

    {% for fact in [
        'gold_sales_fact',
        'gold_lost_sales_fact',
        'gold_cart_fact',
        'gold_cart_abandonment_fact',
        'gold_customer_event_fact',
    ] %}
        select
            '{{ fact }}' as fact,
            customer_key,
            min(date_key) as first_date_key,
            max(date_key) as last_date_key
        from {{ ref(fact) }}
        where {{ is_new('date_key') }}
        group by customer_key
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select
    spans.*,
    customers.effective_date,
    customers.expiration_date
from spans
inner join customers on spans.customer_key = customers.customer_key
where
    {{ date_of_key('spans.first_date_key') }} < customers.effective_date
    or {{ date_of_key('spans.last_date_key') }} > customers.expiration_date
