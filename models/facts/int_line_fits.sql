with

products as (

    select * from {{ ref('gold_product_dim') }}

),

taxonomy as (

    select * from {{ ref('product_taxonomy') }}
    where fit_relevant

),

lines as (

    select * from {{ ref('int_line_outcomes') }}
    where quantity_allocated > 0 and customer_key != 0 and {{ is_new('date_key') }}

),

customer_lives as (

    select * from {{ ref('int_customer_lives') }}

),

size_buckets as (

    {{ weighted_buckets(ref('sizes'), ['sort_order', 'size'], group_by=['size_ladder']) }}

),

sized_products as (

    select
        products.product_key,
        products.gender,
        products.size_ladder,
        products.size_order,
        {{ body_part('products.size_ladder', 'products.category_level_1') }} as body_part
    from products
    inner join taxonomy on products.category_level_3 = taxonomy.category_level_3

),

sold as (

    select
        lines.cart_line_id,
        lines.attempt,
        lines.date_key,
        lines.product_key,
        {{ customer_number('lines.customer_key') }} as customer_number,
        lines.return_lag_days is not null as comes_back,
        sized_products.gender,
        sized_products.size_ladder,
        sized_products.size_order,
        sized_products.body_part
    from sized_products
    inner join lines on sized_products.product_key = lines.product_key

),

-- What is made for the other gender is for somebody else, whose size nobody knows.
worn as (

    select
        sold.*,
        case sold.body_part
            when 'tops' then customer_lives.build_tops
            when 'bottoms' then customer_lives.build_bottoms
            else customer_lives.build_shoes
        end as build
    from customer_lives
    inner join sold on customer_lives.customer_number = sold.customer_number
    where sold.gender != if(customer_lives.shopper_class < 8, 'men', 'women')

),

final as (

    select
        worn.cart_line_id,
        worn.attempt,
        concat('LINE_', cast(worn.cart_line_id as string), {{ line_suffix('worn.attempt') }})
            as line_item_id,
        worn.date_key,
        worn.product_key,
        worn.customer_number,
        worn.comes_back,
        size_buckets.size as usual_size,
        worn.size_order - size_buckets.sort_order as size_difference
    from size_buckets
    inner join worn
        on
            size_buckets.size_ladder = worn.size_ladder
            and size_buckets.bucket = {{ quantile_bucket('worn.build') }}

)

select * from final
