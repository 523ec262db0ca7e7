-- A user's typical gap is the median of their own gaps and one more, the shop's: whoever has come once
-- is taken to be like the others, and every visit counts for more than that. A user's dates are one list,
-- which is cut for each cut: rows for every date and cut, sorted and kept for their medians, took ten times
-- the work, and more memory than there is in a shop of a million users.
with cuts as (
    select distinct as_of
    from {{ ref('feat_audience_cuts') }}
    where role not like 'interest%'
),

any_event as (
    select cuts.as_of, i.user_id, (cuts.as_of - max(i.interaction_date))::integer as days_since_any
    from {{ ref('fct_active_days') }} as i
    join cuts on {{ seen_before('cuts.as_of') }}
    group by cuts.as_of, i.user_id
),

histories as (
    select
        user_id,
        list({
            'interaction_date': interaction_date, 'n_items': n_items,
            'cancelled_on': cancelled_on, 'joined_on': joined_on, 'left_on': left_on
        }) as history
    from {{ ref('fct_active_days') }}
    where event_type = '{{ var("target_event") }}'
    group by user_id
),

seen as (
    select cuts.as_of, user_id, list_filter(history, lambda i: {{ seen_before('as_of') }}) as history
    from histories
    cross join cuts
),

dated as (
    select *, list_sort(list_distinct([i.interaction_date for i in history])) as dates
    from seen
    where len(history) > 0
),

rhythms as (
    select
        *,
        [dates[n + 1] - dates[n] for n in range(1, len(dates))] as gaps,
        list_median(gaps) as own_gap_days
    from dated
),

shops as (
    -- A shop to which nobody has come back yet says nothing; four weeks are as good as any guess.
    select as_of, coalesce(median(own_gap_days), 28) as shop_gap_days
    from rhythms
    group by as_of
)

select
    -- ids
    as_of,
    user_id,
    -- numerics
    len(dates)::integer as n_dates,
    len([date for date in dates if date >= as_of - 28])::integer as n_dates_28d,
    len([date for date in dates if date >= as_of - 91])::integer as n_dates_91d,
    list_sum([i.n_items for i in history])::integer as n_lines,
    coalesce(list_sum([i.n_items for i in history if i.interaction_date >= as_of - 91]), 0)::integer as n_lines_91d,
    (as_of - dates[1])::integer as days_since_first,
    (as_of - dates[-1])::integer as days_since_last,
    days_since_any,
    own_gap_days,
    -- The last three gaps, and the one that is still open: a rhythm that slows shows here first.
    list_median(gaps[-3:]) as recent_gap_days,
    list_max(gaps)::integer as longest_gap_days,
    list_median(list_append(gaps, shop_gap_days)) as typical_gap_days,
    {{ horizon_days('typical_gap_days') }} as horizon_days
from rhythms
join shops using (as_of)
join any_event using (as_of, user_id)
order by as_of, user_id
