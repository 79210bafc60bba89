with

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    -- What comes back comes within a year.
    where {{ is_new('date_key', days_back=365) }}

),

line_fits as (

    select * from {{ ref('int_line_fits') }}
    where {{ is_new('date_key', days_back=365) }}

),

products as (

    select * from {{ ref('gold_product_dim') }}
    where category_level_1 in ('apparel', 'footwear')

),

fit_reasons as (

    select distinct return_reason
    from {{ ref('return_reasons') }}
    where is_fit_related

),

customer_lives as (

    select * from {{ ref('int_customer_lives') }}

),

fit_answers as (

    select * from {{ ref('fit_answers') }}

),

size_fit as (

    select * from {{ ref('size_fit') }}

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

weighted_answers as (

    select
        fit_answers.return_reason,
        size_fit.size_difference,
        fit_answers.fit_description,
        fit_answers.fit_score,
        fit_answers.weight * size_fit.index_percent as weight
    from fit_answers
    inner join size_fit on fit_answers.fit_description = size_fit.fit_description

),

answer_buckets as (

    {{ share_buckets(
        'weighted_answers',
        ['fit_description', 'fit_score'],
        group_by=['return_reason', 'size_difference'],
        buckets=1000
    ) }}

),

-- From the slimmest build.
body_type_buckets as (

    {{ weighted_buckets(ref('body_types'), ['bmi_low', 'bmi_high', 'body_type']) }}

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
        products.product_key,
        products.size as ordered_size
    from products
    inner join sales_fact on products.product_key = sales_fact.product_key
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
    from shares
    cross join sales
    left join returns on sales.line_item_id = returns.original_line_item_id
    where
        returns.is_fit_related
        or {{ uniform('fit_feedback', ['sales.line_number']) }} < shares.feedback_share

),

-- Nobody tells how a thing fits that is made for the other gender.
fitted as (

    select
        answered.*,
        line_fits.usual_size,
        line_fits.size_difference,
        {{ size_fit_step('line_fits.size_difference') }} as fit_step
    from answered
    inner join line_fits on answered.line_item_id = line_fits.line_item_id

),

-- Long feet are those of tall people, and a wide waist is that of a heavy build. Height, weight and
-- build belong to the customer: the same on every line, mostly not told.
built as (

    select
        fitted.*,
        {{ uniform('body_data', ['fitted.customer_number']) }} < shares.body_data_share
            as tells_body_data,
        {{ quantile_bucket('customer_lives.build_bottoms') }} as build_bucket,
        -- The mean of two quantiles: most people are near the middle.
        cast(floor(
            body_heights.height_cm_low
            + (
                customer_lives.build_shoes
                + {{ uniform('height_high', ['fitted.customer_number']) }}
            )
            / 2
            * (body_heights.height_cm_high - body_heights.height_cm_low + 1)
        ) as int) as height_cm,
        {{ uniform('body_mass', ['fitted.customer_number']) }} as body_mass_draw
    from fitted
    inner join customer_lives on fitted.customer_number = customer_lives.customer_number
    inner join body_heights
        on if(customer_lives.shopper_class < 8, 'female', 'male') = body_heights.gender
    cross join shares

),

described as (

    select
        built.*,
        answer_buckets.fit_description,
        answer_buckets.fit_score,
        body_type_buckets.body_type,
        cast(floor(
            (
                body_type_buckets.bmi_low
                + built.body_mass_draw * (body_type_buckets.bmi_high - body_type_buckets.bmi_low)
            )
            * built.height_cm
            * built.height_cm
            / 10000
        ) as int) as weight_kg
    from body_type_buckets
    inner join built on body_type_buckets.bucket = built.build_bucket
    inner join answer_buckets
        on
            built.answer_group = answer_buckets.return_reason
            and built.fit_step = answer_buckets.size_difference
            and {{ bucket('fit_answer', ['built.line_number']) }} = answer_buckets.bucket

),

final as (

    select
        customer_key,
        product_key,
        ordered_size,
        if(is_returned, null, ordered_size) as kept_size,
        usual_size as recommended_size,
        fit_score,
        fit_description,
        is_returned,
        return_reason,
        if(tells_body_data, height_cm, null) as customer_height_cm,
        if(tells_body_data, weight_kg, null) as customer_weight_kg,
        if(tells_body_data, body_type, null) as customer_body_type,
        line_item_id,
        size_difference,
        {{ audit_columns('fit_survey') }}
    from described

)

select * from final
