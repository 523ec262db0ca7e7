{{ config(tags=['shelve']) }}

-- Lists of users to write to, each with its reason. A kind that the shop has no data for has no rows.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with profiles as (
    select * from {{ ref('user_profiles') }}
),

risks as (
    select * from {{ ref('user_churn_risk') }}
),

lapses as (
    select
        case risk when 'high' then 'likely to lapse' when 'medium' then 'at risk' else 'lapsed lately' end
            as audience,
        'lapse' as kind,
        null as subject,
        user_id,
        probability,
        reason as why
    from risks
    where risk in ('high', 'medium')
        -- Later than that, few come back.
        or (risk = 'lapsed' and days_since_last <= 2 * horizon_days)
),

-- The running month, or the one before it where that has no news.
trends as (
    select
        trend || ': ' || category as audience,
        trend as kind,
        category as subject,
        user_id,
        null::double as probability,
        format('{:.0f} % of {}, {:.0f} % of {}', 100 * share, strftime(month, '%B'), 100 * share_before,
            strftime(month_before, '%B')) as why
    from {{ ref('user_interest_history') }}
    where month >= date_trunc('month', {{ night }}) - interval 1 month
    qualify row_number() over (partition by user_id, category order by month desc) = 1
        and trend in ('rising', 'fading')
),

-- The highest tenth, among those who have been here within the last quarter.
spenders as (
    select
        'big spenders' as audience,
        'spend' as kind,
        null as subject,
        user_id,
        null::double as probability,
        format('{:,.2f} in 52 weeks', spend) as why
    from profiles
    where spend > 0
    qualify spend >= quantile_disc(spend, 0.9) over ()
        and days_since_last <= 91
),

newcomers as (
    select
        'newcomers' as audience,
        'newcomer' as kind,
        null as subject,
        user_id,
        null::double as probability,
        'first here on ' || first_on::varchar as why
    from profiles
    where first_on >= {{ night }} - 28
),

interests as (
    select
        case kind when 'brand' then 'interest in brand: ' else 'interest: ' end || subject as audience,
        'interest_' || kind as kind,
        subject,
        user_id,
        probability,
        format('{:.0f} % within 28 days, {:.0f} % of others', 100 * probability, 100 * base_rate) as why
    from {{ source('ml', 'interest_tags') }}
),

gathered as (
    from lapses
    union all by name
    from trends
    union all by name
    from spenders
    union all by name
    from newcomers
    union all by name
    from interests
)

select
    -- ids
    {{ night }} as night,
    audience,
    kind,
    subject::varchar as subject,
    user_id,
    -- why
    probability,
    why
from gathered
order by audience, user_id
