-- A table of its own: docs/engine_notes.md#small-tables
with

versions as (

    select * from {{ ref('int_customer_versions') }}

),

followed as (

    select
        *,
        lead(effective_date) over (
            partition by customer_number order by version
        ) as next_effective_date
    from versions

),

final as (

    select
        customer_number,
        cast(customer_number + (version - 1) * {{ customer_key_step() }} as int) as customer_key,
        version,
        segment_rank,
        effective_date,
        coalesce(date_sub(next_effective_date, 1), cast('9999-12-31' as date)) as expiration_date,
        next_effective_date
    from followed

)

select * from final
