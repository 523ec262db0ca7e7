{{ config(tags=['prepare']) }}

-- What each cleaning rule did, in words. rpt_events is the reconciliation: its columns add up.
with rules as (
    {%- for rule, column, means in [
        ('copy', 'n_copies', 'lines that repeat another one: the same id on the same day; one of them is kept'),
        ('robot', 'n_robots', 'events of robots: the source says so, or the visitor looked faster than a shopper can'),
        ('internal', 'n_internal', 'events of the shop itself: staff, monitoring, test orders'),
        ('no_item', 'n_no_item', 'events about no single item: searches, logins, checkouts'),
        ('not_a_product', 'n_not_a_product', 'events about postage, fees or bookings'),
        ('impossible_quantity', 'n_impossible_quantity', 'nothing, less than nothing, or more pieces than anybody buys'),
        ('impossible_price', 'n_impossible_price', 'a price below nothing, or above what the shop takes, or a line of more than 10^11'),
    ] %}
    select source, {{ loop.index }} as place, '{{ rule }}' as rule, {{ column }} as n_events, n_raw as of_all, '{{ means }}' as means
    from {{ ref('rpt_events') }}
    union all
    {%- endfor %}

    select
        source, 8, 'taken_back', coalesce(cancelled.n_events, 0), n_raw,
        'purchases that refunds took back whole; seen by a feature until that date'
    from {{ ref('rpt_events') }}
    left join (
        select source, count(*) as n_events from {{ ref('int_purchases_cancelled') }} group by source
    ) as cancelled using (source)

    union all

    select
        files.source, 9, 'another_title', count(titles.item_id), count(*),
        'catalogue lines with another title than the one that is shown'
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    left join {{ ref('int_item_titles') }} as titles
        on titles.item_id = items.item_id
        and titles.as_of = date '{{ var("night") }}'
        and titles.title <> items.title
        and (items.updated_at is null or {{ local_date('items.updated_at') }} < date '{{ var("night") }}')
    group by files.source
)

select
    source,
    rule,
    n_events::bigint as n_events,
    n_events / nullif(of_all, 0) as share,
    means
from rules
order by source, place
