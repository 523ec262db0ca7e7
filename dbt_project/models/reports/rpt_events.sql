{{ config(tags=['prepare']) }}

-- Where every accepted event went. Each count is made by itself, or its columns would add up whatever is lost.
with raw as (
    select source, count(*) as n_raw from {{ ref('stg_events') }} group by source
),

copies as (
    select files.source, count(*) as n_copies
    from {{ ref('int_copies_found') }}
    join {{ source('raw', 'files') }} as files using (file_id)
    group by files.source
),

after_night as (
    select source, count(*) as n_after_night
    from {{ ref('int_events_deduplicated') }} as events
    where {{ happened_since("date '" ~ var("night") ~ "'") }}
    group by source
),

judged as (
    select
        source,
        count(*) filter (dropped_by = 'robot') as n_robots,
        count(*) filter (dropped_by = 'internal') as n_internal,
        count(*) filter (dropped_by = 'no_item') as n_no_item,
        count(*) filter (dropped_by = 'not_a_product') as n_not_a_product,
        count(*) filter (dropped_by = 'impossible_quantity') as n_impossible_quantity,
        count(*) filter (dropped_by = 'impossible_price') as n_impossible_price,
        count(*) filter (dropped_by is null) as n_kept,
        count(*) filter (dropped_by is null and user_id is null) as n_without_user
    from {{ ref('int_events_cleaned') }}
    group by source
)

select
    raw.source,
    n_raw,
    coalesce(n_copies, 0) as n_copies,
    coalesce(n_after_night, 0) as n_after_night,
    coalesce(n_robots, 0) as n_robots,
    coalesce(n_internal, 0) as n_internal,
    coalesce(n_no_item, 0) as n_no_item,
    coalesce(n_not_a_product, 0) as n_not_a_product,
    coalesce(n_impossible_quantity, 0) as n_impossible_quantity,
    coalesce(n_impossible_price, 0) as n_impossible_price,
    coalesce(n_kept, 0) as n_kept,
    coalesce(n_without_user, 0) as n_without_user
from raw
left join copies using (source)
left join after_night using (source)
left join judged using (source)
order by raw.source
