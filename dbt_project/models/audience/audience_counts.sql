{{ config(tags=['prepare']) }}

-- How much the audience tables can be learnt from: what rpt_readiness holds against what is wanted.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with cuts as (
    select * from {{ ref('feat_audience_cuts') }}
),

-- A user has dozens of categories before a cut and after it: joined as they are, they would be thousands.
interested as (
    select cuts.role, count(*) as n_users
    from cuts
    join (select distinct as_of, user_id from {{ ref('feat_user_interest') }} where kind = 'category') as seen using (as_of)
    join (select distinct as_of, user_id from {{ ref('label_interest') }} where kind = 'category') as taken
        using (as_of, user_id)
    where cuts.role like 'interest%'
    group by cuts.role
),

-- A user teaches whose horizon the window holds, and who has not been away for twice as long already.
outcomes as (
    select
        case when cuts.role like 'churn_train%' then 'churn_train' else cuts.role end as stage,
        count(*) filter ({{ has_lapsed('returned_on', 'rhythms') }}) as n_lapsed,
        count(*) filter (not ({{ has_lapsed('returned_on', 'rhythms') }})) as n_returned
    from cuts
    join {{ ref('feat_user_rhythm') }} as rhythms using (as_of)
    join {{ ref('label_returned') }} as labels using (as_of, user_id)
    where cuts.role like 'churn%'
        and horizon_days <= cuts.window_days
        and days_since_last <= horizon_days
    group by stage
)

select
    {{ night }} as as_of,
    (select count(*) from {{ ref('user_profiles') }}) as n_users,
    (select count(*) from {{ ref('user_profiles') }} where n_dates > 0) as n_active_users,
    (select count(distinct user_id) from {{ ref('user_interest_history') }}) as n_interested,
    case when (select count(*) from interested) = 2 then (select min(n_users) from interested) else 0 end
        as n_interested_twice,
    case when (select count(*) from outcomes) = 3 then (select min(least(n_lapsed, n_returned)) from outcomes) else 0 end
        as n_outcomes
