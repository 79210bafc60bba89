with

product_taxonomy as (

    select * from {{ ref('product_taxonomy') }}

),

brands as (

    select * from {{ ref('brands') }}

),

colorways as (

    select * from {{ ref('int_colorways') }}

),

sizes as (

    select * from {{ ref('sizes') }}

),

materials as (

    select * from {{ ref('materials') }}

),

price_tiers as (

    select * from {{ ref('price_tiers') }}

),

brand_buckets as (

    {{ weighted_buckets('brands', ['brand', 'price_multiplier']) }}

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
        ref('product_lifecycles'),
        [
            'lifecycle',
            'launch_offset_low',
            'launch_offset_high',
            'end_offset_low',
            'end_offset_high',
        ]
    ) }}

),

-- A style has one brand, price and life; its colours differ in popularity.
drawn as (

    select
        *,
        {{ bucket('style_brand', ['style_number']) }} as brand_bucket,
        {{ bucket('style_material', ['style_number']) }} as material_bucket,
        {{ bucket('style_lifecycle', ['style_number']) }} as lifecycle_bucket,
        {{ uniform('style_price', ['style_number']) }} as price_draw,
        {{ uniform('style_cost', ['style_number']) }} as cost_draw,
        {{ uniform('colorway_popularity', ['colorway_key']) }} as popularity_draw
    from colorways

),

chosen as (

    select
        drawn.*,
        product_taxonomy.category_level_1,
        product_taxonomy.category_level_2,
        product_taxonomy.product_noun,
        product_taxonomy.price_low,
        product_taxonomy.price_high,
        product_taxonomy.cost_share_low,
        product_taxonomy.cost_share_high,
        product_taxonomy.season_profile,
        product_taxonomy.return_rate_index,
        product_taxonomy.demand_index,
        brand_buckets.brand,
        brand_buckets.price_multiplier,
        material_buckets.material_primary,
        material_buckets.material_composition,
        material_buckets.is_sustainable,
        date_add(
            {{ first_simulated_day() }},
            {{ uniform_int(
                'style_launch',
                ['drawn.style_number'],
                'lifecycle_buckets.launch_offset_low',
                'lifecycle_buckets.launch_offset_high'
            ) }}
        ) as launch_date,
        date_add(
            {{ first_simulated_day() }},
            {{ uniform_int(
                'style_end_of_life',
                ['drawn.style_number'],
                'lifecycle_buckets.end_offset_low',
                'lifecycle_buckets.end_offset_high'
            ) }}
        ) as planned_end_date
    from drawn
    inner join product_taxonomy on drawn.category_level_3 = product_taxonomy.category_level_3
    inner join brand_buckets on drawn.brand_bucket = brand_buckets.bucket
    inner join material_buckets
        on
            product_taxonomy.material_group = material_buckets.material_group
            and drawn.material_bucket = material_buckets.bucket
    inner join lifecycle_buckets on drawn.lifecycle_bucket = lifecycle_buckets.bucket

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
        end as season_code
    from priced

),

products as (

    select
        costed.*,
        sizes.size,
        sizes.sort_order as size_order,
        costed.first_product_key + sizes.sort_order - 1 as product_key,
        if(costed.size_count > 1, sizes.size, null) as told_size,
        -- Whole hundredths of a percent, rounded down: engines round ties differently.
        (costed.price_cents - costed.cost_cents) * 10000 div costed.price_cents
        / 100.0D as margin_percent
    from costed
    inner join sizes on costed.size_ladder = sizes.size_ladder

),

numbered as (

    select
        *,
        lpad(
            cast(product_key as string), greatest(6, length(cast(product_key as string))), '0'
        ) as product_digits,
        lpad(
            cast(style_number as string), greatest(6, length(cast(style_number as string))), '0'
        ) as style_digits
    from products

),

final as (

    select
        numbered.product_key,
        concat('PROD_', numbered.product_digits) as product_id,
        concat_ws(
            '-',
            upper(substring(replace(numbered.category_level_2, ' ', ''), 1, 3)),
            upper(substring(replace(numbered.color_name, ' ', ''), 1, 3)),
            numbered.product_digits,
            numbered.told_size
        ) as sku,
        concat_ws(
            ' ',
            numbered.brand,
            numbered.color_name,
            numbered.product_noun,
            numbered.told_size
        ) as product_name,
        numbered.brand,
        numbered.category_level_1,
        numbered.category_level_2,
        numbered.category_level_3,
        numbered.color_family,
        numbered.color_name,
        numbered.size_range,
        numbered.material_primary,
        numbered.material_composition,
        numbered.season_code,
        concat(
            case numbered.season_code when 'Year-round' then 'Core' else numbered.season_code end,
            ' ',
            -- Spring and Summer collections come out from the autumn before.
            cast(
                case
                    when numbered.season_code in ('Spring', 'Summer')
                        then year(add_months(numbered.launch_date, 5))
                    else year(numbered.launch_date)
                end as string
            )
        ) as collection_name,
        numbered.launch_date,
        numbered.planned_end_date as end_of_life_date,
        numbered.price_cents / 100.0D as base_price,
        numbered.cost_cents / 100.0D as unit_cost,
        numbered.margin_percent,
        price_tiers.price_tier,
        numbered.is_sustainable as sustainability_flag,
        numbered.launch_date <= {{ last_simulated_day() }}
        and coalesce(numbered.planned_end_date >= {{ last_simulated_day() }}, true) as is_active,
        numbered.category_level_1 as category,
        numbered.category_level_2 as subcategory,
        numbered.color_name as color,
        numbered.size,
        numbered.price_cents / 100.0D as price,
        numbered.season_profile,
        numbered.return_rate_index,
        numbered.demand_index,
        numbered.popularity_draw,
        concat('STYLE_', numbered.style_digits) as style_id,
        numbered.gender,
        numbered.size_order,
        numbered.colorway_key,
        numbered.size_ladder,
        {{ audit_columns('product_master') }}
    from numbered
    inner join price_tiers
        on
            numbered.price_ratio >= price_tiers.ratio_from
            and numbered.price_ratio < price_tiers.ratio_to
    {%- if is_appending() %}
    -- What came on sale on the new days, or was on sale for the last time before the last of them.
    where
        (
            {{ is_new_date('numbered.launch_date') }}
            and numbered.launch_date <= {{ last_simulated_day() }}
        )
        or (
            {{ is_new_date('date_add(numbered.planned_end_date, 1)') }}
            and numbered.planned_end_date < {{ last_simulated_day() }}
        )
    {%- endif %}

)

select * from final
