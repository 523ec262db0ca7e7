select
    -- ids
    user_id,
    item_id,
    event_type,
    -- when
    event_date as interaction_date,
    joined_on,
    left_on,
    cancelled_on,
    -- numerics
    n_events,
    quantity,
    revenue,
    (case event_type
        {%- for type, weight in var('event_weights').items() %} when '{{ type }}' then {{ weight }} {% endfor -%}
        end)::decimal(9, 4) as weight
from {{ ref('int_interactions_by_date') }}
where event_type is not null
order by user_id, item_id, event_date, event_type, joined_on nulls first
