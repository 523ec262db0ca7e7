-- Which slot of which published shelf an impression showed, or why none can be found, and what the
-- user did next. A click or a purchase counts for one impression: the last before it.
with impressions as (
    select * from {{ ref('int_list_events') }} where event_type = 'impression'
),

shelves as (
    select * from {{ source('raw', 'published') }}
),

placements as (
    select placement, bool_and(context_type = 'user') as is_of_users
    from shelves
    group by placement
),

-- A night's tables come some hours after its midnight, so what was shown that day may be the night's
-- before; a list_id that names its night leaves no doubt.
in_force as (
    select
        impressions.*,
        nights.night,
        row_number() over (
            partition by impressions.occurred_on, impressions.source, impressions.event_id
            order by nights.night desc
        ) as age
    from impressions
    join {{ source('raw', 'published_nights') }} as nights
        on nights.night <= impressions.event_date
        and (not impressions.is_night_named or nights.night = impressions.night_named)
    qualify age <= 2
),

-- Whose list it can have been. A user's shelf is the shopper's own, whatever the list_id says.
asked as (
    select *, true as is_of_user, 1 as turn, user_id as context_id from in_force
    where coalesce(context_named = user_id, true)
    union all
    select *, true, 2, visitor_id from in_force
    where visitor_id <> user_id and coalesce(context_named = visitor_id, true)
    union all
    select *, false, 3, coalesce(context_named, 'all') from in_force
),

-- Every list has a first rank, which says that the list is there.
found as (
    select
        asked.occurred_on, asked.source, asked.event_id, asked.age, asked.turn,
        shelves.* rename (source as shelf_source, item_id as shelf_item_id),
        shelves.item_id = asked.item_id as is_item
    from asked
    join shelves
        on shelves.night = asked.night
        and shelves.placement = asked.placement
        and shelves.context_id = asked.context_id
        and (shelves.context_type = 'user') = asked.is_of_user
        and (shelves.item_id = asked.item_id or shelves.rank = 1)
),

slots as (
    select *
    from found
    where is_item
    -- An item stands once on a list; 'all' before a category of that name.
    qualify row_number() over (
        partition by occurred_on, source, event_id order by age, turn, context_type, rank
    ) = 1
),

lists_found as (
    select distinct occurred_on, source, event_id from found
),

nights_found as (
    select distinct occurred_on, source, event_id from in_force
),

matched as (
    select
        impressions.*,
        slots.* exclude (occurred_on, source, event_id, age, turn, shelf_item_id, is_item, placement),
        case
            when slots.event_id is not null then null
            when impressions.list_id is null then 'no_list'
            when placements.placement is null then 'other_list'
            when nights_found.event_id is null then 'no_night'
            when placements.is_of_users
                and impressions.context_named not in (coalesce(impressions.user_id, ''), coalesce(impressions.visitor_id, ''))
                then 'other_user'
            when lists_found.event_id is null then 'no_such_list'
            else 'not_on_list'
        end as unmatched_because
    from impressions
    left join slots using (occurred_on, source, event_id)
    left join lists_found using (occurred_on, source, event_id)
    left join nights_found using (occurred_on, source, event_id)
    left join placements on placements.placement = impressions.placement
),

clicks as (
    select
        occurred_on, source, event_id, user_id, item_id, occurred_at, placement, context_named, night_named, 1 as n_clicks,
        0::decimal(18, 4) as revenue
    from {{ ref('int_list_events') }}
    where event_type = 'click'
),

purchases as (
    select
        occurred_on, source, event_id, user_id, item_id, occurred_at, null as placement, null as context_named,
        null as night_named, 0 as n_clicks,
        coalesce(quantity * unit_price, 0)::decimal(18, 4) as revenue
    from {{ ref('int_events_cleaned') }} as events
    anti join {{ ref('int_purchases_cancelled') }} using (occurred_on, source, event_id)
    where dropped_by is null
        and event_type = 'purchase'
        and {{ happened_since("date '" ~ var("night") ~ "' - " ~ var('followed_days')) }}
),

answers as (
    from clicks
    union all
    from purchases
),

-- A click within a day, a purchase within a week; a click that names a list counts for that list, with its context and,
-- where both name one, its night.
answered as (
    select
        matched.occurred_on, matched.source, matched.event_id,
        answers.n_clicks,
        answers.revenue,
        answers.occurred_at - matched.occurred_at <= interval 1 day as is_within_1d
    from answers
    join matched
        on matched.user_id = answers.user_id
        and matched.item_id = answers.item_id
        and matched.occurred_at <= answers.occurred_at
        and answers.occurred_at - matched.occurred_at <= interval 7 day
        and coalesce(answers.placement = matched.placement, true)
        and coalesce(answers.context_named = matched.context_id, true)
        and coalesce(answers.night_named = matched.night_named, true)
    where matched.unmatched_because is null
    qualify row_number() over (
        partition by answers.occurred_on, answers.source, answers.event_id
        order by matched.occurred_at desc, matched.occurred_on desc, matched.source, matched.event_id
    ) = 1
),

summed as (
    select
        occurred_on, source, event_id,
        sum(n_clicks) filter (is_within_1d) as n_clicks,
        count(*) filter (n_clicks = 0 and is_within_1d) as n_bought_1d,
        count(*) filter (n_clicks = 0) as n_bought_7d,
        sum(revenue) as revenue_7d
    from answered
    group by occurred_on, source, event_id
)

select
    -- ids
    matched.source as event_source,
    matched.event_id,
    matched.user_id,
    matched.item_id,
    matched.list_id,
    -- the slot
    matched.night,
    matched.placement,
    matched.context_type,
    matched.context_id,
    matched.rank,
    matched.position,
    matched.shelf_source as source,
    matched.model_fingerprint,
    matched.propensity,
    matched.is_exploration,
    matched.unmatched_because,
    -- what followed
    coalesce(summed.n_clicks, 0)::integer as n_clicks,
    coalesce(summed.n_bought_1d, 0)::integer as n_bought_1d,
    coalesce(summed.n_bought_7d, 0)::integer as n_bought_7d,
    coalesce(summed.revenue_7d, 0)::decimal(18, 4) as revenue_7d,
    -- Have the days to wait for passed?
    matched.event_date < date '{{ var("night") }}' - 1 as is_followed_1d,
    matched.event_date < date '{{ var("night") }}' - 7 as is_followed_7d,
    -- when
    matched.occurred_at,
    matched.occurred_on,
    matched.event_date
from matched
left join summed using (occurred_on, source, event_id)
order by matched.occurred_on, matched.source, matched.event_id
