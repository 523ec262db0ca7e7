{{ config(tags=['prepare']) }}

-- What the log, the catalogue and the users' files leave out, and what that costs.
with events as (
    select * from {{ ref('int_events_cleaned') }}
),

n_events as (
    select
        count(*) as n,
        count(*) filter (user_id is not null) as n_with_user,
        {% if var('sources_without_event_id') -%}
        count(*) filter (source not in (
            {%- for name in var('sources_without_event_id') %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor -%}
        )) as n_with_id,
        {%- else -%}
        count(*) as n_with_id,
        {%- endif %}
        count(*) filter (event_type in ('view', 'list_view', 'click')) as n_views,
        count(*) filter (event_type = 'cart_add') as n_carts,
        count(*) filter (event_type = 'purchase') as n_purchases,
        count(*) filter (event_type = 'purchase' and order_id is not null) as n_with_order
    from events
),

described as (
    select distinct items.item_id
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    where not files.is_claim
),

n_items as (
    select
        count(*) as n,
        count(described.item_id) as n_described,
        count(category) as n_with_category,
        count(price) as n_with_price,
        count(in_stock) as n_with_stock
    from {{ ref('dim_items') }} as items
    left join described on described.item_id = items.item_id
    where items.is_product
),

n_users as (
    select count(*) as n, count(consent) as n_with_consent, count(region) as n_with_region
    from {{ ref('dim_users') }}
    left join {{ ref('int_users_described') }} using (user_id)
),

gaps as (
    select 1 as place, 'users' as gap, 'events that name a user or a visitor' as what,
        case when (select sessions_are_visitors from {{ source('raw', 'facts') }}) then 0 else n_with_user end as has,
        n as of_all,
        case when (select sessions_are_visitors from {{ source('raw', 'facts') }})
            then 'sessions stand for visitors, so nobody is known again at the next visit'
            else 'an event without one makes baskets only' end as cost
    from n_events
    union all
    select 2, 'event ids', 'events with an id of their own', n_with_id, n,
        'copies are found by their content, so two equal lines count once'
    from n_events
    union all
    select 3, 'views', 'views or clicks', n_views, null, 'taste is learnt from what was taken, not from what was looked at'
    from n_events
    union all
    select 4, 'carts', 'cart additions', n_carts, null, 'what was wanted and not taken is not seen'
    from n_events
    union all
    select 5, 'purchases', 'purchases', n_purchases, null, 'what is bought together is told by carts and visits at best'
    from n_events
    union all
    select 6, 'orders', 'purchases that name their order', n_with_order, n_purchases,
        'without it what is bought in one visit is one basket'
    from n_events
    where n_purchases > 0
    union all
    select 7, 'catalogue', 'items with a line in the catalogue', n_described, n, 'an item without one is named by its id, or as order lines call it'
    from n_items
    union all
    select 8, 'categories', 'items with a category', n_with_category, n,
        'an item without one has no bestsellers of its kind beside it, and none to fall back on'
    from n_items
    union all
    select 9, 'prices', 'items with a price', n_with_price, n, 'the ranker does not see what is dear'
    from n_items
    union all
    select 10, 'stock', 'items whose stock is known', n_with_stock, n, 'an item of unknown stock is taken to be on sale'
    from n_items
    union all
    select 11, 'consent', 'users who are known to agree to be written to or not', n_with_consent, n,
        case
            when n_with_consent = 0 then '`audiences` has everybody, and whoever writes leaves out who did not agree'
            when {{ var('presume_consent') }} then '`audiences` has the others, too'
            else 'the others are on no list of `audiences`'
        end
    from n_users
    union all
    select 12, 'regions', 'users whose region is known', n_with_region, n,
        'a visitor of no known region has the list of `rec_cold_start` for all'
    from n_users
)

select
    gap,
    has::bigint as has,
    of_all::bigint as of_all,
    has = 0 as is_lacking,
    case
        when has = 0 then format('no {}: {}', what, cost)
        when of_all is null then format('{:,} {}', has, what)
        when has < of_all then format('{:,} of {:,} {}: {}', has, of_all, what, cost)
        else format('all {:,} {}', has, what)
    end as told
from gaps
order by place
