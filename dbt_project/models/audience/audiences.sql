{{ config(tags=['shelve']) }}

-- Lists of users to write to, each with its reason. A kind that the shop has no data for has no rows.
-- Who did not consent is on none.
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

-- The last change in the running month or the one before it: a steady month after it takes nothing back.
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
        and trend in ('rising', 'fading')
    qualify row_number() over (partition by user_id, category order by month desc) = 1
),

-- The highest tenth, among those who have been here within the last quarter. Where many spend the same the tenth is
-- as many: what half of all spend is nothing big.
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
        and spend > median(spend) over ()
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

-- The cheapest tenth of who can be told, if it pays less than half do: half a dozen lines say nothing of a habit.
thrifty as (
    select
        'price sensitive' as audience,
        'price' as kind,
        null as subject,
        user_id,
        null::double as probability,
        format('pays more than {:.0f} % of others do in the same categories', 100 * price_level) as why
    from profiles
    where price_level is not null
        and n_lines >= 10
    qualify price_level <= quantile_disc(price_level, 0.1) over ()
        and price_level < median(price_level) over ()
),

-- What a shop writes letters about: what is new, and what is cheaper; a pin says neither. Whom it suits best
-- says the ranking of rec_for_you and rec_discover.
news as (
    select item_id, 'is new' as what from {{ ref('rec_new_arrivals') }} where context_type = 'all' and reason_code = 'new_arrival'
    union
    select item_id, 'is on sale' from {{ ref('rec_on_sale') }} where context_type = 'all' and reason_code = 'on_sale'
),

suited as (
    {{ best_scored('for_you') }}
    union
    {{ best_scored('discover') }}
),

of_items as (
    select
        'item: ' || item_id as audience,
        'item' as kind,
        item_id as subject,
        user_id,
        null::double as probability,
        string_agg(distinct what, ', ' order by what) || ', and among what suits the user best' as why
    from news
    join suited using (item_id)
    group by item_id, user_id
),

of_sales as (
    select
        'sale: ' || items.category as audience,
        'sale' as kind,
        items.category as subject,
        sales.context_id as user_id,
        null::double as probability,
        format('{} cheaper, up to {:.0f} %, in a category of the user''s',
            case when count(*) = 1 then '1 item is' else count(*) || ' items are' end, 100 * max(prices.discount)) as why
    from {{ ref('rec_on_sale') }} as sales
    join {{ ref('dim_items') }} as items using (item_id)
    join {{ ref('feat_item_price') }} as prices using (item_id)
    where sales.context_type = 'user'
        and sales.reason_code = 'on_sale'
    group by items.category, sales.context_id
),

-- What a campaign of the shop's puts forward tonight, as far as it may be offered at all.
campaigns as (
    select distinct lines.campaign, items.item_id
    from (
        {{ items_of_lines('boost', ref('dim_items')) }}
        union all
        {{ items_of_lines('pin', ref('dim_items')) }}
    ) as lines
    join {{ ref('dim_items') }} as items using (item_id)
    where lines.campaign <> ''
        and coalesce(lines.factor, 2) > 1
        and items.is_offerable
),

in_campaigns as (
    select campaigns.campaign, suited.user_id, count(*) as n_items
    from suited
    join campaigns using (item_id)
    group by campaigns.campaign, suited.user_id
),

-- The mean is over all who have a ranking: a campaign for half of the catalogue suits everybody a little.
of_campaigns as (
    select
        'campaign: ' || campaign as audience,
        'campaign' as kind,
        campaign as subject,
        user_id,
        null::double as probability,
        format('{} of its items {} among what suits the user best, {:.1f} on average',
            n_items, case when n_items = 1 then 'is' else 'are' end,
            sum(n_items) over (partition by campaign) / n_users) as why
    from in_campaigns
    cross join (select count(distinct user_id) as n_users from suited)
    qualify n_items >= sum(n_items) over (partition by campaign) / n_users
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
    union all by name
    from thrifty
    union all by name
    from of_items
    union all by name
    from of_sales
    union all by name
    from of_campaigns
),

-- Where the shop tells of nobody's consent it keeps it elsewhere; once it tells of anybody's, silence is no.
may_be_written_to as (
    select gathered.*
    from gathered
    left join {{ ref('int_users_described') }} as users using (user_id)
    where coalesce(
        users.consent,
        {{ var('presume_consent') }}
        or not exists (from {{ ref('int_users_described') }} where consent is not null)
    )
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
from may_be_written_to
-- A list of a few points at persons.
qualify count(*) over (partition by audience) >= {{ var('min_audience') }}
order by audience, user_id
