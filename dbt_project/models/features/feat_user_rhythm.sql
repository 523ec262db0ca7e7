-- A user's typical gap is the median of their own gaps and one more, the shop's: whoever has come once
-- is taken to be like the others, and every visit counts for more than that.
with cuts as (
    select distinct as_of
    from {{ ref('feat_audience_cuts') }}
    where role not like 'interest%'
),

seen as (
    select cuts.as_of, i.*
    from {{ ref('fct_active_days') }} as i
    join cuts on {{ seen_before('cuts.as_of') }}
),

any_event as (
    select as_of, user_id, (as_of - max(interaction_date))::integer as days_since_any
    from seen
    group by as_of, user_id
),

dates as (
    select as_of, user_id, interaction_date, sum(n_items) as n_items
    from seen
    where event_type = '{{ var("target_event") }}'
    group by as_of, user_id, interaction_date
),

gaps as (
    select
        *,
        interaction_date - lag(interaction_date) over own as gap,
        count(*) over own as place,
        count(*) over (partition by as_of, user_id) as n_dates
    from dates
    window own as (partition by as_of, user_id order by interaction_date)
),

rhythms as (
    select
        as_of,
        user_id,
        count(*)::integer as n_dates,
        count(*) filter (interaction_date >= as_of - 28)::integer as n_dates_28d,
        count(*) filter (interaction_date >= as_of - 91)::integer as n_dates_91d,
        sum(n_items)::integer as n_lines,
        coalesce(sum(n_items) filter (interaction_date >= as_of - 91), 0)::integer as n_lines_91d,
        (as_of - min(interaction_date))::integer as days_since_first,
        (as_of - max(interaction_date))::integer as days_since_last,
        median(gap) as own_gap_days,
        max(gap)::integer as longest_gap_days,
        -- The last three gaps, and the one that is still open: a rhythm that slows shows here first.
        median(gap) filter (place > n_dates - 3) as recent_gap_days
    from gaps
    group by as_of, user_id
),

shops as (
    select as_of, median(own_gap_days) as shop_gap_days
    from rhythms
    group by as_of
),

typical as (
    select as_of, user_id, median(gap) as typical_gap_days
    from (
        select as_of, user_id, gap from gaps where gap is not null
        union all
        -- A shop to which nobody has come back yet says nothing; four weeks are as good as any guess.
        select as_of, user_id, coalesce(shop_gap_days, 28) from rhythms join shops using (as_of)
    )
    group by as_of, user_id
)

select
    -- ids
    as_of,
    user_id,
    -- numerics
    n_dates,
    n_dates_28d,
    n_dates_91d,
    n_lines,
    n_lines_91d,
    days_since_first,
    days_since_last,
    days_since_any,
    own_gap_days,
    recent_gap_days,
    longest_gap_days,
    typical_gap_days,
    {{ horizon_days('typical_gap_days') }} as horizon_days
from rhythms
join typical using (as_of, user_id)
join any_event using (as_of, user_id)
order by as_of, user_id
