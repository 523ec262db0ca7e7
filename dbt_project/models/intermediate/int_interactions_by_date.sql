{#- Which types have a weight, and not how much: that comes to them in fct_interactions. -#}
{%- set made_of = version_with('4, ' ~ (var('event_weights') | sort | join(' ')), [
    'product_id_pattern', 'max_quantity', 'max_price', 'internal_ids', 'max_views_per_day', 'max_views_per_minute',
]) -%}
{{
    config(
        materialized='history',
        database='history',
        pre_hook="{{ prepare_dates(ref('int_dates_of_interactions'), '" ~ made_of ~ "') }}"
    )
}}

-- History, a date at a time: fct_interactions by the date on which they happened.
with dates_to_build as (
    {{ dates_to_build(ref('int_dates_of_interactions'), made_of) }}
),

-- An event of a known user, or of a visitor of whom no login tells, has one holder for ever. One of a
-- visitor who is joined to a user changes hands, and is told once for each span of knowing.
kept as (
    select
        cleaned.*,
        cancelled.cancelled_on
    from {{ ref('int_events_cleaned') }} as cleaned
    join dates_to_build using (event_date)
    left join {{ ref('int_purchases_cancelled') }} as cancelled using (occurred_on, source, event_id)
    where {{ on_days_to_build('cleaned.occurred_on') }}
        and cleaned.dropped_by is null
        and cleaned.event_type in (
            {%- for type in var('event_weights') %}'{{ type }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
),

of_one_holder as (
    select
        user_id, item_id, event_type, event_date, cancelled_on, quantity, unit_price,
        null::date as joined_on, null::date as left_on
    from kept
    where user_id is not null
        and (is_known or anonymous_id is null or visitor_id not in (select visitor_id from {{ ref('int_visitors_joined') }}))
),

of_joined_visitors as (
    select *
    from kept
    where not is_known
        and anonymous_id is not null
        and visitor_id in (select visitor_id from {{ ref('int_visitors_joined') }})
),

-- All sessions would be sorted, for the few that an anonymous event can lie in.
visits as (
    select *
    from {{ ref('fct_sessions') }}
    where visitor_id in (select visitor_id from of_joined_visitors)
),

-- What a robot bought lies in no visit of a shopper's, and no login tells whose it was: it stays the
-- visitor's own for ever.
of_many_holders as (
    select
        coalesce(holders.user_id, events.user_id) as user_id, events.item_id, events.event_type, events.event_date, events.cancelled_on,
        events.quantity, events.unit_price, holders.joined_on, holders.left_on
    from of_joined_visitors as events
    {{ left_join_session('events', of='visits') }}
    left join {{ ref('int_sessions_joined') }} as holders
        on holders.visitor_id = sessions.visitor_id
        and holders.session_id = sessions.session_id
        and holders.session_started_at = sessions.started_at
        and holders.event_date = events.event_date
    where not ({{ has_internal_id('holders.user_id', 'events.visitor_id') }})
),

events as (
    from of_one_holder
    union all
    from of_many_holders
),

-- Where something changes hands, a (user, item, type, date) is cut into spans that do not overlap, so
-- that whoever looks as of a date sees one row of it at most, and a day is counted once.
changing as (
    select distinct user_id, item_id, event_type, event_date
    from of_many_holders
    where joined_on is not null
        or left_on is not null
),

cuts as (
    select user_id, item_id, event_type, event_date, coalesce(joined_on, event_date) as since
    from events
    join changing using (user_id, item_id, event_type, event_date)
    union
    select user_id, item_id, event_type, event_date, left_on
    from events
    join changing using (user_id, item_id, event_type, event_date)
    where left_on is not null
),

spans as (
    select
        *,
        lead(since) over (partition by user_id, item_id, event_type, event_date order by since) as until
    from cuts
),

cut_events as (
    select
        events.* exclude (joined_on, left_on),
        nullif(spans.since, spans.event_date) as joined_on,
        spans.until as left_on
    from events
    join spans using (user_id, item_id, event_type, event_date)
    where coalesce(events.joined_on, events.event_date) <= spans.since
        and coalesce(events.left_on, date 'infinity') > spans.since
),

whole_events as (
    select events.*
    from events
    anti join changing using (user_id, item_id, event_type, event_date)
),

dated as (
    from whole_events
    union all by name
    from cut_events
),

interactions as (
    select
        user_id,
        item_id,
        event_type,
        event_date,
        joined_on,
        left_on,
        -- A day's purchases are cancelled when the last of them is.
        case when count(cancelled_on) = count(*) then max(cancelled_on) end as cancelled_on,
        count(*)::integer as n_events,
        sum(quantity)::bigint as quantity,
        -- Pieces without a price cost what the others of that day did: unknown is not nothing.
        case
            when count(unit_price) = count(*) then sum(quantity * unit_price)
            else try_cast(
                sum(quantity * unit_price) * (sum(quantity) / sum(quantity) filter (unit_price is not null)) as decimal(18, 4)
            )
        end::decimal(18, 4) as revenue
    from dated
    group by user_id, item_id, event_type, event_date, joined_on, left_on
)

select
    -- ids
    interactions.user_id,
    interactions.item_id,
    interactions.event_type,
    -- when
    interactions.joined_on,
    interactions.left_on,
    interactions.cancelled_on,
    dates_to_build.event_date,
    dates_to_build.date_fingerprint,
    -- numerics
    interactions.n_events,
    interactions.quantity,
    interactions.revenue
from interactions
-- A date without interactions has one row, which says that it was looked through.
right join dates_to_build using (event_date)
order by
    dates_to_build.event_date, interactions.user_id, interactions.item_id, interactions.event_type,
    interactions.joined_on nulls first
