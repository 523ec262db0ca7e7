select
    user_id,
    min(interaction_date) as first_seen_on,
    max(interaction_date) as last_seen_on,
    count(distinct interaction_date)::integer as n_active_days,
    count(distinct item_id)::integer as n_items
from {{ ref('fct_interactions') }}
-- What has left a visitor is a user's now: nobody is served under two names.
where left_on is null
group by user_id
order by user_id
