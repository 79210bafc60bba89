with

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    -- What comes back comes within a year.
    where {{ is_new('date_key', days_back=365) }}

),

products as (

    select * from {{ ref('gold_product_dim') }}
    where category_level_1 in ('apparel', 'footwear')

),

taxonomy as (

    select * from {{ ref('product_taxonomy') }}
    where fit_relevant

),

fit_reasons as (

    select distinct return_reason
    from {{ ref('return_reasons') }}
    where is_fit_related

),

customers as (

    select * from {{ ref('gold_customer_dim') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

body_heights as (

    select * from {{ ref('body_heights') }}

),

shares as (

    select
        max(if(parameter = 'feedback_share', parameter_value, null)) as feedback_share,
        max(if(parameter = 'body_data_share', parameter_value, null)) as body_data_share
    from {{ ref('feedback_shares') }}

),

answer_buckets as (

    {{ weighted_buckets(
        ref('fit_answers'), ['fit_description', 'fit_score'], ['return_reason']
    ) }}

),

offset_buckets as (

    {{ weighted_buckets(ref('size_choices'), ['size_offset']) }}

),

shoe_buckets as (

    {{ weighted_buckets(ref('sizes'), ['size'], ['size_ladder'], where="size_ladder = 'shoe'") }}

),

body_type_buckets as (

    {{ weighted_buckets(ref('body_types'), ['body_type', 'bmi_low', 'bmi_high']) }}

),

ladders as (

    select
        size_ladder,
        max(sort_order) as longest
    from sizes
    group by size_ladder

),

fit_products as (

    select
        products.product_key,
        taxonomy.size_ladder,
        shares.feedback_share
    from products
    cross join shares
    inner join taxonomy on products.category_level_3 = taxonomy.category_level_3

),

returns as (

    select
        sales_fact.original_line_item_id,
        sales_fact.return_reason,
        fit_reasons.return_reason is not null as is_fit_related
    from sales_fact
    left join fit_reasons on sales_fact.return_reason = fit_reasons.return_reason
    where sales_fact.is_return and {{ is_new('sales_fact.date_key') }}

),

sales as (

    select
        sales_fact.line_item_id,
        xxhash64(sales_fact.line_item_id) as line_number,
        sales_fact.customer_key,
        {{ customer_number('sales_fact.customer_key') }} as customer_number,
        sales_fact.product_key,
        fit_products.size_ladder,
        fit_products.feedback_share
    from fit_products
    inner join sales_fact on fit_products.product_key = sales_fact.product_key
    where
        not sales_fact.is_return
        and sales_fact.customer_key != 0
        and (
            {{ is_new('sales_fact.date_key') }}
            or sales_fact.line_item_id in (select returns.original_line_item_id from returns)
        )

),

-- Who sends a thing back for its size says so; of the others a share answers when asked.
answered as (

    select
        sales.*,
        returns.return_reason,
        returns.original_line_item_id is not null as is_returned,
        case
            when returns.original_line_item_id is null then 'none'
            when returns.is_fit_related then returns.return_reason
            else 'other'
        end as answer_group
    from sales
    left join returns on sales.line_item_id = returns.original_line_item_id
    where
        returns.is_fit_related
        or {{ uniform('fit_feedback', ['sales.line_number']) }} < sales.feedback_share

),

numbered_customers as (

    select
        customers.*,
        {{ customer_number('customers.customer_key') }} as customer_number,
        shares.body_data_share
    from customers
    cross join shares

),

-- Height, weight and build belong to the customer: the same on every line, mostly not told.
bodies as (

    select
        numbered_customers.customer_key,
        numbered_customers.size_profile_tops,
        numbered_customers.size_profile_bottoms,
        shoe_buckets.size as shoe_size,
        {{ uniform('body_data', ['customer_number']) }} < numbered_customers.body_data_share
            as tells_body_data,
        body_type_buckets.body_type,
        -- The mean of two draws: most people are near the middle.
        cast(floor(
            body_heights.height_cm_low
            + (
                {{ uniform('height_low', ['customer_number']) }}
                + {{ uniform('height_high', ['customer_number']) }}
            )
            / 2
            * (body_heights.height_cm_high - body_heights.height_cm_low + 1)
        ) as int) as height_cm,
        body_type_buckets.bmi_low
        + {{ uniform('body_mass', ['customer_number']) }}
        * (body_type_buckets.bmi_high - body_type_buckets.bmi_low) as body_mass_index
    from numbered_customers
    inner join body_heights on numbered_customers.gender = body_heights.gender
    inner join shoe_buckets
        on {{ bucket('shoe_size', ['customer_number']) }} = shoe_buckets.bucket
    inner join body_type_buckets
        on {{ bucket('body_type', ['customer_number']) }} = body_type_buckets.bucket

),

described as (

    select
        answered.*,
        answer_buckets.fit_description,
        answer_buckets.fit_score,
        ladders.longest,
        offset_buckets.size_offset,
        case answered.size_ladder
            when 'alpha' then bodies.size_profile_tops
            when 'waist' then bodies.size_profile_bottoms
            else bodies.shoe_size
        end as usual_size,
        bodies.tells_body_data,
        bodies.body_type,
        bodies.height_cm,
        cast(floor(
            bodies.body_mass_index * bodies.height_cm * bodies.height_cm / 10000
        ) as int) as weight_kg
    from bodies
    inner join answered on bodies.customer_key = answered.customer_key
    inner join ladders on answered.size_ladder = ladders.size_ladder
    inner join answer_buckets
        on
            answered.answer_group = answer_buckets.return_reason
            and {{ bucket('fit_answer', ['answered.line_number']) }} = answer_buckets.bucket
    inner join offset_buckets
        on {{ bucket('size_choice', ['answered.line_number']) }} = offset_buckets.bucket

),

-- A ladder has ends: nobody orders, and nobody is advised, a size beyond them.
ordered as (

    select
        described.*,
        least(
            described.longest, greatest(1, usual_sizes.sort_order + described.size_offset)
        ) as ordered_position
    from described
    inner join sizes as usual_sizes
        on
            described.size_ladder = usual_sizes.size_ladder
            and described.usual_size = usual_sizes.size

),

advised as (

    select
        *,
        case fit_description
            when 'too_small' then least(longest, ordered_position + 1)
            when 'too_large' then greatest(1, ordered_position - 1)
            else ordered_position
        end as advised_position
    from ordered

),

final as (

    select
        advised.customer_key,
        advised.product_key,
        ordered_sizes.size as ordered_size,
        if(advised.is_returned, null, ordered_sizes.size) as kept_size,
        advised_sizes.size as recommended_size,
        advised.fit_score,
        advised.fit_description,
        advised.is_returned,
        advised.return_reason,
        if(advised.tells_body_data, advised.height_cm, null) as customer_height_cm,
        if(advised.tells_body_data, advised.weight_kg, null) as customer_weight_kg,
        if(advised.tells_body_data, advised.body_type, null) as customer_body_type,
        advised.line_item_id,
        {{ audit_columns('fit_survey') }}
    from advised
    inner join sizes as ordered_sizes
        on
            advised.size_ladder = ordered_sizes.size_ladder
            and advised.ordered_position = ordered_sizes.sort_order
    inner join sizes as advised_sizes
        on
            advised.size_ladder = advised_sizes.size_ladder
            and advised.advised_position = advised_sizes.sort_order

)

select * from final
