with

carts as (

    select * from {{ ref('gold_cart_fact') }}
    where recovered_from_cart_id is null

),

abandonments as (

    select * from {{ ref('gold_cart_abandonment_fact') }}

),

reasons as (

    select * from {{ ref('abandonment_reasons') }}
    where published_percent is not null

),

first_carts as (

    select
        {%- for device in ['mobile', 'desktop'] %}
            count(if(device_type = '{{ device }}', 1, null)) as {{ device }}_carts,
            count(if(device_type = '{{ device }}' and is_abandoned, 1, null))
                as {{ device }}_abandoned,
        {%- endfor %}
        count(if(is_digital, 1, null)) as digital_carts,
        count(if(is_digital and is_abandoned, 1, null)) as digital_abandoned
    from carts

),

reasons_given as (

    select
        {%- for reason in ['extra_costs', 'account_required', 'card_trust'] %}
            count(if(abandonments.suspected_reason = '{{ reason }}', 1, null)) as {{ reason }},
        {%- endfor %}
        count(*) as abandonment_count
    from reasons
    inner join abandonments on reasons.suspected_reason = abandonments.suspected_reason

),

final as (

    select
        inline(array( -- noqa: AL03
            {{ measured_ratio(
                'abandonment_rate', 'digital_abandoned', 'digital_carts', 'digital carts'
            ) }},
            {{ measured_ratio(
                'abandonment_rate_mobile', 'mobile_abandoned', 'mobile_carts', 'mobile carts'
            ) }},
            {{ measured_ratio(
                'abandonment_rate_desktop', 'desktop_abandoned', 'desktop_carts', 'desktop carts'
            ) }}
        ))
    from first_carts

    union all

    select
        inline(array( -- noqa: AL03
            {% for reason in ['extra_costs', 'account_required', 'card_trust'] -%}
                {{ measured_ratio(
                    'reason_' ~ reason,
                    reason,
                    'abandonment_count',
                    'abandonments with a reason of the survey'
                ) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ))
    from reasons_given

)

select * from final
