-- Two clocks. Interests are learnt on 28 days: four whole weeks, a month without its odd days. A lapse
-- needs a window in which it can be seen: as long as nine of ten users need, in steps of 28 days, and
-- not so long that a fourth of it would reach back before the shop's first day.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with dates as (
    select distinct i.user_id, i.interaction_date
    from {{ ref('fct_active_days') }} as i
    where i.event_type = '{{ var("target_event") }}'
        and {{ seen_before(night) }}
),

gaps as (
    select
        user_id,
        interaction_date - lag(interaction_date) over (partition by user_id order by interaction_date) as gap
    from dates
),

own as (
    select user_id, {{ horizon_days('median(gap)') }} as horizon_days
    from gaps
    where gap is not null
    group by user_id
),

wanted as (
    select 28 * ceil(coalesce(quantile_disc(horizon_days, 0.9), 28) / 28) as days from own
),

at_hand as (
    select 28 * (coalesce({{ night }} - min(interaction_date), 0) // (4 * 28)) as days from dates
),

windows as (
    select greatest(28, least(wanted.days, at_hand.days))::integer as days
    from wanted, at_hand
),

cuts as (
    select 'churn_train_2' as role, {{ night }} - 4 * days as as_of, days as window_days from windows
    union all
    select 'churn_train_1', {{ night }} - 3 * days, days from windows
    union all
    select 'churn_choose', {{ night }} - 2 * days, days from windows
    union all
    select 'churn_evaluate', {{ night }} - days, days from windows
    {%- for role, cut in interest_cuts().items() %}
    union all
    select '{{ role }}', {{ cut }}, {{ 'null' if role == 'serve' else 28 }}
    {%- endfor %}
)

select role, as_of, window_days
from cuts
order by as_of, role
