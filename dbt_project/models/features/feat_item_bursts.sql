-- For each item its ordinary day: the mean pace of the quieter three quarters of its days in the last
-- four weeks, where pace is users who begin with it over the shop's other pairs that begin that day. The rest of the rule is
-- in ml/nightshelf/candidates/lately.py, which does the same for a source.
with begun as (
    select as_of, item_id, days_since_first_28d as days_ago, count(*) as n_users
    from {{ ref('feat_user_item') }}
    where days_since_first_28d is not null
    group by all
),

-- Few items ever win more users in a day than chance allows any: the rest need no looking at.
busy as (
    select as_of, item_id from begun group by all having max(n_users) > 3
),

first_seen as (
    select as_of, item_id, max(days_since_first) as first_days_ago
    from {{ ref('feat_user_item') }}
    join busy using (as_of, item_id)
    group by all
),

open_days as (
    select distinct as_ofs.as_of, (as_ofs.as_of - i.interaction_date)::integer as days_ago
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    where i.interaction_date >= as_ofs.as_of - 28
),

shop as (
    select as_of, days_ago, coalesce(sum(n_users), 0)::bigint as n_pairs
    from open_days
    left join begun using (as_of, days_ago)
    group by all
),

days as (
    select
        as_of,
        item_id,
        shop.days_ago,
        coalesce(begun.n_users, 0) as n_users,
        shop.n_pairs - coalesce(begun.n_users, 0) + 1 as n_others
    from first_seen
    join shop using (as_of)
    left join begun using (as_of, item_id, days_ago)
    where shop.days_ago <= first_seen.first_days_ago
),

ordinary as (
    select
        as_of,
        item_id,
        ceil(0.75 * count(*))::integer as n_quiet,
        -- A sorted list is summed in one order, whatever the threads.
        list_sum(list_sort(list(n_users / n_others))[:n_quiet]) / n_quiet as pace
    from days
    group by as_of, item_id
),

judged as (
    select
        days.*,
        pace * n_others as expected,
        2 * expected + 3 * sqrt(expected) + 3 as n_ordinary
    from days
    join ordinary using (as_of, item_id)
)

select
    as_of,
    item_id,
    days_ago,
    n_users::integer as n_users,
    greatest(expected, n_ordinary * n_ordinary / n_users)::double as n_counted
from judged
where n_users > n_ordinary
order by as_of, item_id, days_ago
