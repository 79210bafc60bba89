{#
    Upserts: a cart comes back up to a week after the day that it counts for, so rows that have been
    read are replaced. What changed is what two versions of the source differ in; the days that it
    belongs to are summed up again.

    On Databricks the change data feed tells the same, without reading both versions:

        changed as (
            select distinct date_key, channel_key
            from table_changes('stocktrue.gold_cart_abandonment_fact', <version_read() + 1>)
            where _change_type in ('insert', 'update_postimage')
        )

    with max(_commit_version) of it as read_version, and the table itself in place of as_of().
#}
{{
    config(
        materialized="incremental",
        incremental_strategy="merge",
        unique_key=["date_key", "channel_key"],
    )
}}

{%- set carts = source("stocktrue", "gold_cart_abandonment_fact") %}
{%- set version = last_closing().versions["gold_cart_abandonment_fact"] %}
{%- set columns = "abandonment_id, date_key, channel_key, is_recovered, recovery_revenue" %}

with

carts as (

    select {{ columns }} from {{ as_of(carts, version) }}

),

{% if is_incremental() %}
changed as (

    select * from carts
    except
    select {{ columns }} from {{ as_of(carts, version_read()) }}

),

changed_days as (

    select distinct
        date_key,
        channel_key
    from changed

),
{% endif %}

final as (

    select
        carts.date_key,
        carts.channel_key,
        count(*) as abandoned_carts,
        sum(if(carts.is_recovered, 1, 0)) as recovered_carts,
        -- Whole cents, so that the sum is the same in any order.
        sum(cast(coalesce(carts.recovery_revenue, 0) as decimal(18, 2))) as recovery_revenue,
        cast({{ version }} as bigint) as read_version
    from carts
    {% if is_incremental() %}
    inner join changed_days
        on carts.date_key = changed_days.date_key and carts.channel_key = changed_days.channel_key
    {% endif %}
    group by carts.date_key, carts.channel_key

)

select * from final
