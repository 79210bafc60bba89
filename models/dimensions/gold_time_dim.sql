with

quarter_hours as (

    select
        cast(id div 4 as int) as hour,
        cast(id % 4 * 15 as int) as minute
    from range(0, 96)

),

final as (

    select
        hour * 100 + minute as time_key,
        hour,
        minute,
        concat(
            lpad(cast(hour as string), 2, '0'), ':', lpad(cast(minute as string), 2, '0')
        ) as hour_minute,
        case when hour < 12 then 'AM' else 'PM' end as am_pm,
        cast(pmod(hour + 11, 12) + 1 as int) as hour_12,
        case
            when hour between 5 and 11 then 'Morning'
            when hour between 12 and 16 then 'Afternoon'
            when hour between 17 and 21 then 'Evening'
            else 'Night'
        end as period_of_day,
        hour between 9 and 20 as is_business_hours,
        hour in (12, 13) or hour between 18 and 21 as is_peak_hours,
        {{ audit_columns() }}
    from quarter_hours

)

select * from final
