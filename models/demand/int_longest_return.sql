with

return_lags as (

    select max(lag_days) as lag_days from {{ ref('return_lags') }}

),

gift_seasons as (

    select coalesce(max(days_before_to), 0) as days_before from {{ ref('gift_seasons') }}

),

gift_return_days as (

    select max(days_after_holiday) as days_after from {{ ref('gift_return_days') }}

),

-- A return waits while stores are closed: on so many days in a row at most.
closed_days as (

    select count(*) as closed_days from {{ ref('holidays') }}
    where day_kind = 'closed'

),

final as (

    select
        cast(
            greatest(
                return_lags.lag_days, gift_seasons.days_before + gift_return_days.days_after
            )
            + closed_days.closed_days as int
        ) as longest_return_days
    from return_lags
    cross join gift_seasons
    cross join gift_return_days
    cross join closed_days

)

select * from final
