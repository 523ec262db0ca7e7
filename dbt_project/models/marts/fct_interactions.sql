with events as (
    select
        cleaned.*,
        cancelled.cancelled_on
    from {{ ref('int_events_cleaned') }} as cleaned
    left join {{ ref('int_purchases_cancelled') }} as cancelled using (occurred_on, event_id)
    where cleaned.dropped_by is null
        and cleaned.user_id is not null
        and cleaned.event_type in (
            {%- for type in var('event_weights') %}'{{ type }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
)

select
    -- ids
    user_id,
    item_id,
    event_type,
    -- when
    event_date as interaction_date,
    -- A day's purchases are cancelled when the last of them is.
    case when count(cancelled_on) = count(*) then max(cancelled_on) end as cancelled_on,
    -- numerics
    count(*)::integer as n_events,
    sum(quantity)::bigint as quantity,
    sum(quantity * unit_price)::decimal(18, 4) as revenue,
    (case event_type
        {%- for type, weight in var('event_weights').items() %} when '{{ type }}' then {{ weight }} {% endfor -%}
        end)::decimal(9, 4) as weight
from events
group by user_id, item_id, event_type, event_date
order by user_id, item_id, event_date, event_type
