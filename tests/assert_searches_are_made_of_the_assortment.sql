-- About every eighth search finds nothing, as what it asks for is not sold; the others have
-- hundreds of texts. A small world strays too far to be judged.
with

searches as (

    select
        search_term,
        event_action,
        product_key
    from {{ ref('gold_customer_event_fact') }}
    where event_type = 'search'

),

misses as (

    select * from {{ ref('search_misses') }}

),

measured as (

    select
        count(*) as search_count,
        count(distinct searches.search_term) as term_count,
        avg(if(searches.event_action = 'no_result', 1.0D, 0.0D)) as miss_share,
        count_if(
            (searches.event_action = 'no_result') != (misses.search_term is not null)
        ) as contradictions
    from misses
    right join searches on misses.search_term = searches.search_term -- noqa: CV08

)

select *
from measured
where
    contradictions > 0
    or (
        search_count >= 100000
        and (term_count < 500 or miss_share not between 0.1 and 0.16)
    )
