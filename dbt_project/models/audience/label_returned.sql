{{ config(tags=['prepare']) }}

-- What became of the users of each cut, as far as it stands by the night. A visitor who has become
-- a user since is nobody's absence, and has no row.
select
    rhythms.as_of,
    rhythms.user_id,
    min(i.interaction_date) as returned_on
from {{ ref('feat_user_rhythm') }} as rhythms
join {{ ref('dim_users') }} as users using (user_id)
left join {{ ref('fct_active_days') }} as i
    on i.user_id = rhythms.user_id
    and i.event_type = '{{ var("target_event") }}'
    and i.interaction_date >= rhythms.as_of
    and {{ seen_before("date '" ~ var('night') ~ "'") }}
where rhythms.as_of < date '{{ var("night") }}'
group by rhythms.as_of, rhythms.user_id
order by rhythms.as_of, rhythms.user_id
