-- Who came when, as fct_interactions has it, without what was taken: a tenth of its rows.
select
    -- ids
    user_id,
    event_type,
    -- when
    interaction_date,
    joined_on,
    left_on,
    cancelled_on,
    -- numerics
    count(*)::integer as n_items
from {{ ref('fct_interactions') }}
group by user_id, event_type, interaction_date, joined_on, left_on, cancelled_on
order by user_id, interaction_date, event_type, joined_on nulls first, left_on nulls first, cancelled_on nulls first
