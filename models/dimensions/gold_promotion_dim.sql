with

promotions as (

    select * from {{ ref('promotions') }}

),

holiday_calendar as (

    select * from {{ ref('int_holiday_calendar') }}

),

years as (

    select explode({{ years_around_the_calendar() }}) as year

),

dated as (

    select
        promotions.*,
        years.year,
        date_add(
            coalesce(
                holiday_calendar.holiday_date,
                make_date(years.year, promotions.start_month, promotions.start_day)
            ),
            promotions.offset_days
        ) as start_date
    from promotions
    cross join years
    left join holiday_calendar
        on
            promotions.start_anchor = holiday_calendar.holiday_name
            and years.year = holiday_calendar.year

),

promotion_years as (

    select
        *,
        date_add(start_date, duration_days - 1) as end_date
    from dated

),

rows_of_calendar as (

    select
        (year - 2000) * 100 + promotion_number as promotion_key,
        concat(promotion_id, '_', cast(year as string)) as promotion_id,
        concat(promotion_name, ' ', cast(year as string)) as promotion_name,
        discount_type,
        discount_value,
        promotion_type,
        category_level_1,
        channel_type,
        start_date,
        end_date,
        product_share
    from promotion_years
    where
        start_date <= {{ last_calendar_day() }}
        and end_date >= {{ first_calendar_day() }}
        and {{ is_new_in_calendar('start_date') }}

    union all

    -- Facts point here when no promotion set the price, so that the key is never null.
    select
        0 as promotion_key,
        'NONE' as promotion_id,
        'No promotion' as promotion_name,
        'none' as discount_type,
        cast(0 as double) as discount_value,
        'none' as promotion_type,
        cast(null as string) as category_level_1,
        cast(null as string) as channel_type,
        cast(null as date) as start_date,
        cast(null as date) as end_date,
        cast(0 as double) as product_share
    where {{ not is_appending() }}

),

final as (

    select
        cast(promotion_key as int) as promotion_key,
        promotion_id,
        promotion_name,
        discount_type,
        discount_value,
        promotion_type,
        category_level_1,
        channel_type,
        start_date,
        end_date,
        product_share,
        {{ audit_columns('promotion_planning') }}
    from rows_of_calendar

)

select * from final
