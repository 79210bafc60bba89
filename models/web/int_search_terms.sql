-- A table of its own: docs/engine_notes.md#small-tables
with

products as (

    select * from {{ ref('gold_product_dim') }}

),

search_terms as (

    select * from {{ ref('search_terms') }}

),

search_patterns as (

    select * from {{ ref('search_patterns') }}

),

habits as (

    select max(parameter_value) as misspelled_share
    from {{ ref('web_habits') }}
    where parameter = 'misspelled_share'

),

nouns as (

    select
        category_level_3,
        search_term as noun
    from (
        select
            category_level_3,
            search_term,
            row_number() over (
                partition by category_level_3 order by weight desc, search_term asc
            ) as term_rank
        from search_terms
    ) as ranked
    where term_rank = 1

),

term_buckets as (

    {{ weighted_buckets('search_terms', ['search_term'], ['category_level_3']) }}

),

pattern_buckets as (

    {{ weighted_buckets('search_patterns', ['pattern']) }}

),

variants as (

    select
        products.product_key,
        products.category_level_2,
        products.category_level_3,
        products.color_family,
        products.color_name,
        products.brand,
        products.material_primary,
        products.size,
        products.gender,
        cast(numbers.id as int) as variant
    from products
    cross join range(0, 16) as numbers

),

drawn as (

    select
        *,
        product_key * 16 + variant as search_term_key,
        {{ bucket('search_term', ['product_key', 'variant']) }} as term_bucket,
        {{ bucket('search_pattern', ['product_key', 'variant']) }} as pattern_bucket,
        {{ uniform('misspelled', ['product_key', 'variant']) }} as misspelled_draw,
        {{ uniform('misspelled_letter', ['product_key', 'variant']) }} as letter_draw
    from variants

),

described as (

    select
        drawn.search_term_key,
        drawn.misspelled_draw,
        drawn.letter_draw,
        habits.misspelled_share,
        lower(drawn.category_level_2) as category,
        lower(drawn.color_family) as color,
        lower(drawn.color_name) as shade,
        lower(drawn.brand) as brand,
        lower(drawn.material_primary) as material,
        lower(drawn.size) as size_name,
        drawn.size = 'ONE SIZE' as is_one_size,
        if(drawn.gender = 'unisex', '', concat(drawn.gender, chr(39), 's')) as gender,
        nouns.noun,
        term_buckets.search_term as term,
        pattern_buckets.pattern
    -- The one row first, or Sail makes a batch of each of the others.
    from habits
    cross join drawn
    inner join nouns on drawn.category_level_3 = nouns.category_level_3
    inner join term_buckets
        on
            drawn.category_level_3 = term_buckets.category_level_3
            and drawn.term_bucket = term_buckets.bucket
    inner join pattern_buckets on drawn.pattern_bucket = pattern_buckets.bucket

),

filled as (

    select
        search_term_key,
        misspelled_share,
        misspelled_draw,
        letter_draw,
        {%- set filled = ["if(is_one_size, replace(pattern, ' size {size}', ''), pattern)"] %}
        {%- for word, value in [
            ('category', 'category'),
            ('color', 'color'),
            ('shade', 'shade'),
            ('brand', 'brand'),
            ('material', 'material'),
            ('size', 'size_name'),
            ('gender', 'gender'),
            ('noun', 'noun'),
            ('term', 'term'),
        ] %}
            {%- set text = filled.pop() %}
            {%- set _ = filled.append("replace(" ~ text ~ ", '{" ~ word ~ "}', " ~ value ~ ")") %}
        {%- endfor %}
        trim(replace({{ filled[0] }}, '  ', ' ')) as wanted_term
    from described

),

-- Of a misspelled text one letter after the first is left out or changes its place with the next.
lettered as (

    select
        *,
        2 + cast(floor(letter_draw * (length(wanted_term) - 2)) as int) as letter
    from filled

),

final as (

    select
        search_term_key,
        case
            when misspelled_draw >= misspelled_share or length(wanted_term) < 5 then wanted_term
            when misspelled_draw < misspelled_share / 2
                then concat(
                    substring(wanted_term, 1, letter - 1), substring(wanted_term, letter + 1)
                )
            else
                concat(
                    substring(wanted_term, 1, letter - 1),
                    substring(wanted_term, letter + 1, 1),
                    substring(wanted_term, letter, 1),
                    substring(wanted_term, letter + 2)
                )
        end as search_term
    from lettered

)

select * from final
