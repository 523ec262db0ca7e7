-- Several titles for one item: what a catalogue said last is right. Where there is no catalogue, only
-- what order lines happen to say, the title most often written is; a typing slip is rare and recent.
with known as (
    select as_ofs.as_of, items.*, files.name as file_name, files.is_claim
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    join {{ ref('int_as_ofs') }} as as_ofs
        on items.updated_at is null or {{ local_date('items.updated_at') }} < as_ofs.as_of
    where items.title is not null
),

catalogued as (
    select as_of, item_id, title
    from known
    where not is_claim
    qualify row_number() over (partition by as_of, item_id order by {{ newest_first() }}) = 1
),

claims as (
    select as_of, item_id, title, count(*) as n_lines, max(updated_at) as written_at
    from known
    where is_claim
    group by as_of, item_id, title
),

claimed as (
    select as_of, item_id, title
    from claims
    qualify row_number() over (
        partition by as_of, item_id
        order by n_lines desc, written_at desc nulls last, title
    ) = 1
)

select
    as_of,
    item_id,
    coalesce(catalogued.title, claimed.title) as title
from catalogued
full join claimed using (as_of, item_id)
order by as_of, item_id
