{{ config(tags=['prepare']) }}

-- What became of the users of each cut, as it stood when the cut's window had ended: what comes later is
-- news to a model that is judged on it. A visitor who had become a user by then is nobody's absence, and
-- has no row.
with cuts as (
    select as_of, as_of + window_days as ended_on
    from {{ ref('feat_audience_cuts') }}
    where role like 'churn%'
)

select
    rhythms.as_of,
    rhythms.user_id,
    min(i.interaction_date) filter (
        i.event_type = '{{ var("target_event") }}' and i.interaction_date >= rhythms.as_of
    ) as returned_on
from {{ ref('feat_user_rhythm') }} as rhythms
join cuts using (as_of)
join {{ ref('fct_active_days') }} as i
    on i.user_id = rhythms.user_id
    and {{ seen_before('cuts.ended_on') }}
group by rhythms.as_of, rhythms.user_id
order by rhythms.as_of, rhythms.user_id
