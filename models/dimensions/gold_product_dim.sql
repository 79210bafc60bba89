with

product_taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

brands as (

    select * from {{ ref('brands') }}

),

colors as (

    select * from {{ ref('colors') }}

),

materials as (

    select * from {{ ref('materials') }}

),

price_tiers as (

    select * from {{ ref('price_tiers') }}

),

product_lifecycles as (

    select * from {{ ref('product_lifecycles') }}

),

taxonomy_buckets as (

    {{ weighted_buckets('product_taxonomy', ['category_level_3']) }}

),

brand_buckets as (

    {{ weighted_buckets('brands', ['brand', 'price_multiplier']) }}

),

color_buckets as (

    {{ weighted_buckets('colors', ['color_family', 'color_name']) }}

),

material_buckets as (

    {{ weighted_buckets(
        'materials',
        ['material_primary', 'material_composition', 'is_sustainable'],
        group_by=['material_group']
    ) }}

),

lifecycle_buckets as (

    {{ weighted_buckets(
        'product_lifecycles',
        [
            'lifecycle',
            'launch_offset_low',
            'launch_offset_high',
            'end_offset_low',
            'end_offset_high',
        ]
    ) }}

),

products as (

    select
        cast(id as int) as product_key,
        {{ bucket('product_taxonomy', ['id']) }} as taxonomy_bucket,
        {{ bucket('product_brand', ['id']) }} as brand_bucket,
        {{ bucket('product_color', ['id']) }} as color_bucket,
        {{ bucket('product_material', ['id']) }} as material_bucket,
        {{ bucket('product_lifecycle', ['id']) }} as lifecycle_bucket,
        {{ uniform('product_price', ['id']) }} as price_draw,
        {{ uniform('product_cost', ['id']) }} as cost_draw,
        {{ uniform('product_popularity', ['id']) }} as popularity_draw
    from range(1, {{ var('num_products') | int + 1 }})

),

chosen as (

    select
        products.*,
        product_taxonomy.category_level_1,
        product_taxonomy.category_level_2,
        product_taxonomy.category_level_3,
        product_taxonomy.product_noun,
        product_taxonomy.price_low,
        product_taxonomy.price_high,
        product_taxonomy.cost_share_low,
        product_taxonomy.cost_share_high,
        product_taxonomy.size_range,
        product_taxonomy.season_profile,
        product_taxonomy.return_rate_index,
        product_taxonomy.demand_index,
        brand_buckets.brand,
        brand_buckets.price_multiplier,
        color_buckets.color_family,
        color_buckets.color_name,
        material_buckets.material_primary,
        material_buckets.material_composition,
        material_buckets.is_sustainable,
        date_add(
            {{ first_simulated_day() }},
            {{ uniform_int(
                'product_launch',
                ['products.product_key'],
                'lifecycle_buckets.launch_offset_low',
                'lifecycle_buckets.launch_offset_high'
            ) }}
        ) as launch_date,
        date_add(
            {{ first_simulated_day() }},
            {{ uniform_int(
                'product_end_of_life',
                ['products.product_key'],
                'lifecycle_buckets.end_offset_low',
                'lifecycle_buckets.end_offset_high'
            ) }}
        ) as planned_end_date
    from products
    inner join taxonomy_buckets
        on products.taxonomy_bucket = taxonomy_buckets.bucket
    inner join product_taxonomy
        on taxonomy_buckets.category_level_3 = product_taxonomy.category_level_3
    inner join brand_buckets
        on products.brand_bucket = brand_buckets.bucket
    inner join color_buckets
        on products.color_bucket = color_buckets.bucket
    inner join material_buckets
        on
            product_taxonomy.material_group = material_buckets.material_group
            and products.material_bucket = material_buckets.bucket
    inner join lifecycle_buckets
        on products.lifecycle_bucket = lifecycle_buckets.bucket

),

dollars as (

    select
        *,
        cast(
            floor((price_low + price_draw * (price_high - price_low)) * price_multiplier) as int
        ) as price_dollars
    from chosen

),

priced as (

    select
        *,
        -- Retail endings: 24.99, from 100 dollars on 129.00.
        case
            when price_dollars < 100 then price_dollars * 100 + 99
            else (price_dollars div 10 * 10 + 9) * 100
        end as price_cents
    from dollars

),

costed as (

    select
        *,
        -- At least a cent below the price, which a tiny band could otherwise reach.
        least(
            price_cents - 1,
            greatest(
                1,
                cast(
                    floor(
                        price_cents
                        * (cost_share_low + cost_draw * (cost_share_high - cost_share_low))
                    ) as bigint
                )
            )
        ) as cost_cents,
        price_cents / (50.0D * (price_low + price_high)) as price_ratio,
        case
            when season_profile = 'year_round' then 'Year-round'
            else initcap(season_profile)
        end as season_code,
        lpad(
            cast(product_key as string), greatest(6, length(cast(product_key as string))), '0'
        ) as product_digits
    from priced

),

final as (

    select
        costed.product_key,
        concat('PROD_', costed.product_digits) as product_id,
        concat(
            upper(substring(replace(costed.category_level_2, ' ', ''), 1, 3)),
            '-',
            upper(substring(replace(costed.color_name, ' ', ''), 1, 3)),
            '-',
            costed.product_digits
        ) as sku,
        concat(costed.brand, ' ', costed.color_name, ' ', costed.product_noun) as product_name,
        costed.brand,
        costed.category_level_1,
        costed.category_level_2,
        costed.category_level_3,
        costed.color_family,
        costed.color_name,
        costed.size_range,
        costed.material_primary,
        costed.material_composition,
        costed.season_code,
        concat(
            case costed.season_code when 'Year-round' then 'Core' else costed.season_code end,
            ' ',
            -- Spring and Summer collections come out from the autumn before.
            cast(
                case
                    when costed.season_code in ('Spring', 'Summer')
                        then year(add_months(costed.launch_date, 5))
                    else year(costed.launch_date)
                end as string
            )
        ) as collection_name,
        costed.launch_date,
        costed.planned_end_date as end_of_life_date,
        costed.price_cents / 100.0D as base_price,
        costed.cost_cents / 100.0D as unit_cost,
        -- Whole hundredths of a percent, rounded down: engines round ties differently.
        (costed.price_cents - costed.cost_cents) * 10000 div costed.price_cents
        / 100.0D as margin_percent,
        price_tiers.price_tier,
        costed.is_sustainable as sustainability_flag,
        costed.launch_date <= {{ last_simulated_day() }}
        and coalesce(costed.planned_end_date >= {{ last_simulated_day() }}, true) as is_active,
        costed.category_level_1 as category,
        costed.category_level_2 as subcategory,
        costed.color_name as color,
        costed.size_range as size,
        costed.price_cents / 100.0D as price,
        costed.season_profile,
        costed.return_rate_index,
        costed.demand_index,
        costed.popularity_draw,
        {{ audit_columns('product_master') }}
    from costed
    inner join price_tiers
        on
            costed.price_ratio >= price_tiers.ratio_from
            and costed.price_ratio < price_tiers.ratio_to
    {%- if is_appending() %}
    -- What came on sale on the new days, or was on sale for the last time before the last of them.
    where
        (
            {{ is_new_date('costed.launch_date') }}
            and costed.launch_date <= {{ last_simulated_day() }}
        )
        or (
            {{ is_new_date('date_add(costed.planned_end_date, 1)') }}
            and costed.planned_end_date < {{ last_simulated_day() }}
        )
    {%- endif %}

)

select * from final
