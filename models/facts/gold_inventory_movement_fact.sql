with

sales_fact as (

    select * from {{ ref('gold_sales_fact') }}
    -- What was sold or returned before moves later: a return within a month.
    where {{ is_new('date_key', days_back=31) }}

),

stock_events as (

    select * from {{ ref('int_stock_events') }}
    where
        event_type in ('receipt', 'shrinkage', 'write_off', 'liquidation')
        and {{ is_new('date_key') }}

),

products as (

    select * from {{ ref('gold_product_dim') }}

),

channels as (

    select * from {{ ref('gold_channel_dim') }}

),

movement_types as (

    select * from {{ ref('movement_types') }}

),

sold_or_returned as (

    select
        case
            when sales_fact.is_return then 'return'
            when channels.is_digital then 'digital_shipment'
            else 'store_sale'
        end as movement_source,
        -- The digits of the line; letters for the attempt and T for a return become digits too.
        translate(substring(sales_fact.line_item_id, 6), 'RTSW', '2345') as source_digits,
        sales_fact.product_key,
        sales_fact.location_key,
        case
            when sales_fact.is_return
                then {{ date_of_key('sales_fact.return_restocked_date_key') }}
            -- Digital units are reserved on the day of the sale and leave the next morning.
            when channels.is_digital
                then date_add({{ date_of_key('sales_fact.date_key') }}, 1)
            else {{ date_of_key('sales_fact.date_key') }}
        end as movement_date,
        sales_fact.time_key as sale_time_key,
        sales_fact.quantity_sold as quantity,
        sales_fact.unit_cost,
        sales_fact.order_number as order_id,
        if(
            sales_fact.is_return,
            cast(
                datediff(
                    {{ date_of_key('sales_fact.return_restocked_date_key') }},
                    {{ date_of_key('sales_fact.date_key') }}
                ) as int
            ),
            null
        ) as return_delay_days,
        sales_fact.transaction_id as reference_transaction_id
    from sales_fact
    inner join channels on sales_fact.channel_key = channels.channel_key

),

received_or_adjusted as (

    select
        stock_events.event_type as movement_source,
        cast(
            (cast(stock_events.date_key as bigint) * 10000 + stock_events.location_key) * 1000000
            + stock_events.product_key as string
        ) as source_digits,
        stock_events.product_key,
        stock_events.location_key,
        {{ date_of_key('stock_events.date_key') }} as movement_date,
        cast(null as int) as sale_time_key,
        stock_events.quantity,
        products.unit_cost,
        -- An order is one of a product for a location on a review day.
        if(
            stock_events.event_type = 'receipt',
            concat(
                'PO_',
                cast(
                    (
                        cast(stock_events.reference_date_key as bigint) * 10000
                        + stock_events.location_key
                    )
                    * 1000000
                    + stock_events.product_key as string
                )
            ),
            null
        ) as order_id,
        cast(null as int) as return_delay_days,
        cast(null as string) as reference_transaction_id
    from stock_events
    inner join products on stock_events.product_key = products.product_key

),

movements as (

    select * from sold_or_returned
    where
        movement_date <= {{ last_simulated_day() }}
        and {{ is_new_date('movement_date') }}

    union all

    select * from received_or_adjusted

),

described as (

    select
        movements.*,
        {{ date_key('movements.movement_date') }} as date_key,
        concat(cast(movement_types.id_digit as string), movements.source_digits)
            as movement_digits,
        movement_types.movement_type,
        movement_types.movement_reason,
        movement_types.quantity_sign,
        movement_types.reference_type,
        movement_types.first_hour,
        cast(
            {{
                uniform(
                    'movement_time',
                    [
                        'movements.product_key',
                        'movements.location_key',
                        date_key('movements.movement_date'),
                        'movement_types.id_digit',
                    ]
                )
            }}
            * 4
            * (movement_types.last_hour - movement_types.first_hour + 1) as int
        ) as quarter_hours
    from movements
    inner join movement_types on movements.movement_source = movement_types.movement_source

),

final as (

    select
        concat('MOV_', movement_digits) as movement_id,
        product_key,
        if(quantity_sign < 0, location_key, null) as from_location_key,
        if(quantity_sign > 0, location_key, null) as to_location_key,
        date_key,
        -- Goods cross the counter when they are bought; the rest has hours of its own.
        coalesce(
            cast(100 * (first_hour + quarter_hours div 4) + 15 * (quarter_hours % 4) as int),
            sale_time_key
        ) as time_key,
        movement_type,
        movement_reason,
        quantity,
        unit_cost,
        quantity * {{ cents('unit_cost') }} / 100.0D as total_cost,
        reference_type,
        coalesce(order_id, concat('ADJ_', movement_digits)) as reference_id,
        location_key,
        quantity_sign * quantity as quantity_change,
        coalesce(return_delay_days > 0, false) as is_return_delayed,
        return_delay_days,
        reference_transaction_id,
        {{ audit_columns('wms') }}
    from described

)

select * from final
