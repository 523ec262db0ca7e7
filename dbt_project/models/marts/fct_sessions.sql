{{ config(materialized='view') }}

select
    -- ids
    visitor_id,
    session_id,
    -- numerics
    n_events,
    n_looks,
    n_purchases,
    n_items,
    -- booleans
    n_purchases > 0 as has_purchase,
    -- when
    started_at,
    ended_at,
    event_date as session_date
from {{ ref('int_sessions_by_date') }}
where visitor_id is not null
