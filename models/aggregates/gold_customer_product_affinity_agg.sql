with

events as (

    select * from {{ ref('gold_customer_event_fact') }}
    where
        event_type = 'product_view'
        and customer_key != 0
        and date_key
        between {{ date_key(first_weekly_event_day()) }}
        and {{ date_key(last_simulated_sunday()) }}
        and {{ is_week_closed() }}

),

outcomes as (

    select * from {{ ref('int_line_outcomes') }}
    where
        (attempt = 1 or quantity_allocated > 0)
        and customer_key != 0
        and date_key <= {{ date_key(last_simulated_sunday()) }}
        and {{ is_week_closed() }}

),

returned_lines as (

    select * from {{ ref('gold_sales_fact') }}
    where
        is_return
        and customer_key != 0
        and date_key <= {{ date_key(last_simulated_sunday()) }}
        and {{ is_week_closed() }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

later_versions as (

    select * from {{ ref('int_later_versions') }}
    where {{ last_simulated_sunday() }} between effective_date and expiration_date

),

weights as (

    select
        max(if(parameter = 'purchase_points', parameter_value, null)) as purchase_points,
        max(if(parameter = 'return_points', parameter_value, null)) as return_points,
        max(if(parameter = 'cart_add_points', parameter_value, null)) as cart_add_points,
        max(if(parameter = 'view_points', parameter_value, null)) as view_points,
        max(if(parameter = 'half_score_points', parameter_value, null)) as half_score_points,
        max(if(parameter = 'half_life_days', parameter_value, null)) as half_life_days,
        max(if(parameter = 'recency_share_percent', parameter_value, null))
            as recency_share_percent,
        max(if(parameter = 'expected_purchases_percent', parameter_value, null))
            as expected_purchases_percent
    from {{ ref('affinity_weights') }}

),

-- The parameters ride on the small table of products.
weighted_products as (

    select
        products.product_key,
        {{ cents('products.base_price') }} - {{ cents('products.unit_cost') }} as margin_cents,
        weights.*
    from products
    cross join weights

),

contacts as (

    select
        {{ customer_number('customer_key') }} as customer_number,
        product_key,
        date_key,
        1 as views,
        0 as cart_adds,
        0 as purchases,
        0 as returns,
        cast(0 as bigint) as spent_cents
    from events

    union all

    -- The lines of a cart that came back were added to it the first time.
    select
        {{ customer_number('customer_key') }} as customer_number,
        product_key,
        date_key,
        0 as views,
        if(attempt = 2, 0, 1) as cart_adds,
        if(quantity_allocated > 0, 1, 0) as purchases,
        0 as returns,
        cast(quantity_allocated * (price_cents - discount_cents) as bigint) as spent_cents
    from outcomes

    union all

    select
        {{ customer_number('customer_key') }} as customer_number,
        product_key,
        date_key,
        0 as views,
        0 as cart_adds,
        0 as purchases,
        1 as returns,
        {{ cents('net_sales_amount') }} as spent_cents
    from returned_lines

),

pairs as (

    select
        customer_number,
        product_key,
        sum(views) as view_count,
        sum(cart_adds) as cart_add_count,
        sum(purchases) as purchase_count,
        sum(returns) as return_count,
        sum(spent_cents) as spent_cents,
        -- A return is no interest in the product.
        max(if(returns = 1, null, date_key)) as last_contact_date_key,
        max(if(purchases = 1, date_key, null)) as last_purchase_date_key
    from contacts
    group by customer_number, product_key

),

measured as (

    select
        pairs.*,
        cast(
            datediff(
                {{ last_simulated_sunday() }}, {{ date_of_key('pairs.last_contact_date_key') }}
            ) as int
        ) as days_since_last_interaction,
        greatest(
            1,
            pairs.purchase_count * weighted_products.purchase_points
            + pairs.return_count * weighted_products.return_points
            + pairs.cart_add_count * weighted_products.cart_add_points
            + pairs.view_count * weighted_products.view_points
        ) as points,
        weighted_products.half_score_points,
        weighted_products.half_life_days,
        weighted_products.recency_share_percent,
        weighted_products.expected_purchases_percent,
        weighted_products.margin_cents
    from weighted_products
    inner join pairs on weighted_products.product_key = pairs.product_key

),

-- Points saturate: half_score_points give a half. A share of the score fades with time, to a half
-- of it after half_life_days. Whole numbers all the way, so that every engine gets the same score.
scored as (

    select
        measured.*,
        -- The key of a first version is the number of the customer.
        coalesce(later_versions.customer_key, measured.customer_number) as customer_key,
        10000
        * measured.points
        div (measured.points + measured.half_score_points)
        * (
            100
            - measured.recency_share_percent
            + measured.recency_share_percent
            * measured.half_life_days
            div (measured.half_life_days + measured.days_since_last_interaction)
        )
        div 100 as score_ten_thousandths
    from later_versions
    right join measured -- noqa: CV08
        on later_versions.customer_number = measured.customer_number

),

-- Only what is published, in small types, for the sort: docs/engine_notes.md#sorts-and-windows
narrow as (

    select
        customer_key,
        product_key,
        cast(score_ten_thousandths as int) as score_ten_thousandths,
        cast(purchase_count as int) as purchase_count,
        cast(view_count as int) as view_count,
        cast(cart_add_count as int) as cart_add_count,
        days_since_last_interaction,
        score_ten_thousandths
        * margin_cents
        * (1 + purchase_count)
        * expected_purchases_percent
        div 1000000 as cltv_cents,
        spent_cents,
        last_purchase_date_key
    from scored

),

-- The score, then the lowest key, in one number: docs/engine_notes.md#sorts-and-windows
ranked as (

    select
        *,
        row_number() over (
            partition by customer_key
            order by score_ten_thousandths * cast(10000000 as bigint) - product_key desc
        ) as recommendation_rank
    from narrow

),

final as (

    select
        customer_key,
        product_key,
        score_ten_thousandths / 10000.0D as affinity_score,
        cast(purchase_count as bigint) as purchase_count,
        cast(view_count as bigint) as view_count,
        cast(cart_add_count as bigint) as cart_add_count,
        days_since_last_interaction,
        if(
            view_count > 0, purchase_count / cast(view_count as double), cast(null as double)
        ) as view_to_purchase_ratio,
        if(
            cart_add_count > 0,
            purchase_count / cast(cart_add_count as double),
            cast(null as double)
        ) as cart_to_purchase_ratio,
        cast(recommendation_rank as int) as recommendation_rank,
        cltv_cents / 100.0D as predicted_cltv_impact,
        {{ last_simulated_sunday() }} as calculation_date,
        spent_cents / 100.0D as total_spent,
        last_purchase_date_key,
        {{ audit_columns('analytics') }}
    from ranked

)

select * from final
