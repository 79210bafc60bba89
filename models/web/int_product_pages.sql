{%- set buckets = 10000 -%}
{#- When days are appended, the pages that are of no month are there. -#}
{%- set is_first_build = 'false' if is_appending() else 'true' -%}

-- A table of its own: docs/engine_notes.md#small-tables
with

products as (

    select * from {{ ref('gold_product_dim') }}

),

demand_plan as (

    select * from {{ ref('int_demand_plan') }}

),

web_pages as (

    select * from {{ ref('web_pages') }}

),

location_demand as (

    select * from {{ ref('int_location_demand') }}
    where channel_group = 'digital'

),

search_terms as (

    select * from {{ ref('int_search_terms') }}

),

miss_buckets as (

    {{ weighted_buckets(ref('search_misses'), ['search_term']) }}

),

-- Only products on sale in the whole month are looked at by chance; the smallest weight keeps a
-- month without such a product from being empty.
popularity as (

    select
        demand_plan.month_key,
        demand_plan.product_key,
        1 + sum(
            if(
                products.launch_date <= demand_plan.month_start
                and coalesce(
                    products.end_of_life_date >= last_day(demand_plan.month_start), true
                ),
                demand_plan.demand_weight,
                cast(0 as bigint)
            )
        ) as popularity_weight
    from demand_plan
    inner join location_demand on demand_plan.location_key = location_demand.location_key
    inner join products on demand_plan.product_key = products.product_key
    where
        demand_plan.month_key between ({{ date_key(first_event_day()) }}) div 100
        and ({{ date_key(last_simulated_day()) }}) div 100
        -- A month with the day it begins on.
        and {{ is_new('demand_plan.month_key * 100 + 1') }}
    group by demand_plan.month_key, demand_plan.product_key

),

cumulated as (

    select
        month_key,
        product_key,
        popularity_weight,
        sum(popularity_weight) over (
            partition by month_key order by product_key
            rows between unbounded preceding and current row
        ) as weight_to_here,
        sum(popularity_weight) over (partition by month_key) as total_weight
    from popularity

),

bucket_ranges as (

    select
        month_key,
        product_key,
        (weight_to_here - popularity_weight) * {{ buckets }} div total_weight as bucket_start,
        weight_to_here * {{ buckets }} div total_weight as bucket_end
    from cumulated

),

pages as (

    select
        buckets.product_key,
        web_pages.path,
        web_pages.completed_by,
        web_pages.shows_product,
        buckets.bucket % 16 as variant,
        {{ popular_page_key('buckets.month_key', 'buckets.bucket', 'web_pages.page_number') }}
            as page_key
    from (
        select
            month_key,
            product_key,
            explode(sequence(bucket_start, bucket_end - 1)) as bucket
        from bucket_ranges
        where bucket_end > bucket_start
    ) as buckets
    cross join web_pages
    where web_pages.shows_product or web_pages.completed_by != 'nothing'

    union all

    -- A product is looked for in several ways: int_session_steps.
    select
        products.product_key,
        web_pages.path,
        web_pages.completed_by,
        web_pages.shows_product,
        cast(variants.id as int) as variant,
        {{ product_page_key(
            'products.product_key', 'web_pages.page_number + cast(variants.id as int) * 100'
        ) }} as page_key
    from products
    cross join web_pages
    cross join range(0, 8) as variants
    where
        (
            variants.id = 0
            and (web_pages.shows_product or web_pages.completed_by = 'category')
            or web_pages.completed_by = 'search_term'
        )
        and {{ is_first_build }}

),

final as (

    select
        pages.page_key,
        if(pages.shows_product, pages.product_key, null) as product_key,
        if(pages.shows_product, products.category_level_2, null) as event_label,
        case pages.completed_by
            when 'search_term' then search_terms.search_term
            when 'missed_term' then miss_buckets.search_term
        end as search_term,
        concat(
            pages.path,
            case pages.completed_by
                when 'search_term' then {{ query_text('search_terms.search_term') }}
                when 'missed_term' then {{ query_text('miss_buckets.search_term') }}
                when 'category'
                    then replace(
                        concat(products.category_level_2, '/', products.category_level_3), ' ', '-'
                    )
                when 'product' then lower(products.sku)
                else ''
            end
        ) as page_url
    from pages
    inner join products on pages.product_key = products.product_key
    inner join search_terms
        on pages.product_key * 16 + pages.variant = search_terms.search_term_key
    inner join miss_buckets
        on {{ bucket('missed_search', ['pages.page_key']) }} = miss_buckets.bucket

    union all

    select
        cast(page_number as bigint) as page_key,
        cast(null as int) as product_key,
        cast(null as string) as event_label,
        cast(null as string) as search_term,
        path as page_url
    from web_pages
    where
        not shows_product
        and completed_by = 'nothing'
        and {{ is_first_build }}

)

select * from final
