-- What users take on the first date they are known by: what an unknown visitor is nearest to. Of the
-- last quarter, and not of the log's first weeks, in which old customers look new.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with seen as (
    select i.*
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
        and i.event_type = '{{ var("target_event") }}'
),

first_dates as (
    select user_id, min(interaction_date) as first_on
    from seen
    group by user_id
),

newcomers as (
    select *
    from first_dates
    where first_on >= {{ night }} - 91
        and first_on >= (select min(first_on) from first_dates) + {{ var('settle_days') }}
)

select
    seen.item_id,
    count(*)::integer as n_takers,
    (select count(*) from newcomers)::integer as n_newcomers
from seen
join newcomers
    on newcomers.user_id = seen.user_id
    and newcomers.first_on = seen.interaction_date
group by seen.item_id
order by seen.item_id
