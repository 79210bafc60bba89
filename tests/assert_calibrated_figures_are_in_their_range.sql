-- What the seeds feed to the generator must come out of it again: a calibrated figure lies in its
-- published range. A world that is small, or made of few products, locations or customers, strays
-- too far, and a variable that is no size moves figures on purpose. The default seed is held to the
-- range itself; with another one chance, mostly that of the few best sellers on a single day, moves
-- a figure by up to a tenth beyond it.
{%- set sizes = [
    'random_seed',
    'start_date',
    'end_date',
    'date_range_days',
    'num_customers',
    'num_products',
    'num_locations',
    'event_history_days',
] %}
{%- set given = (invocation_args_dict.get('vars') or {}).keys() %}
{%- set moved = given | reject('in', sizes) | list %}
{%- set by_chance = 0.1 if 'random_seed' in given else 0 %}
with

metrics as (

    select * from {{ ref('realism_metrics') }}

),

full_size as (

    select parameter_value as position_days
    from {{ ref('validation_rules') }}
    where parameter = 'full_size_position_days'

)

select
    metrics.metric_id,
    metrics.measured_value,
    metrics.published_low,
    metrics.published_high
from metrics
cross join full_size
where
    metrics.origin = 'calibrated'
    and (
        metrics.measured_value
        < metrics.published_low - {{ by_chance }} * abs(metrics.published_low)
        or metrics.measured_value
        > metrics.published_high + {{ by_chance }} * abs(metrics.published_high)
    )
    and {{ var('num_products') }} >= 500
    and {{ var('num_locations') }} >= 10
    and {{ var('num_customers') }} >= 1000
    and {{ var('num_products') }} * cast({{ var('num_locations') }} as bigint)
    * {{ simulated_day_count() }} >= full_size.position_days
    and {{ 'false' if moved else 'true' }}
