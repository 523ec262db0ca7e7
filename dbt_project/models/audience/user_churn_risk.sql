{{ config(tags=['shelve']) }}

-- Who has been away for the whole horizon has lapsed, whatever the model says of the next one.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with rhythms as (
    select * from {{ ref('feat_user_rhythm') }} where as_of = {{ night }}
)

select
    -- ids
    {{ night }} as night,
    churn.user_id,
    -- the chance
    churn.probability,
    case
        when rhythms.days_since_last > rhythms.horizon_days then 'lapsed'
        -- More likely than not; one in five; a chance is calibrated, so a bound means what it says.
        when churn.probability >= 0.5 then 'high'
        when churn.probability >= 0.2 then 'medium'
        else 'low'
    end as risk,
    -- the reason
    rhythms.days_since_last,
    rhythms.typical_gap_days,
    rhythms.days_since_last / greatest(rhythms.typical_gap_days, 1) as gaps_since_last,
    rhythms.horizon_days,
    {{ days_away('rhythms') }} as reason,
    churn.source
from {{ source('ml', 'churn') }} as churn
join rhythms using (user_id)
order by churn.user_id
