-- The catalogue as of the night, from dim_item_versions. Items that were sold but never catalogued
-- are kept, named by their id.
with catalogued as (
    select versions.*
    from {{ ref('dim_item_versions') }} as versions
    where {{ valid_as_of("date '" ~ var('night') ~ "'") }}
),

sold as (
    select
        item_id,
        arg_max(unit_price, {'at': occurred_at, 'source': source, 'event': event_id}) as unit_price
    from {{ ref('int_events_cleaned') }}
    where dropped_by is null
    group by item_id
),

ids as (
    select item_id from catalogued
    union
    select item_id from sold
)

select
    -- ids
    ids.item_id,
    -- what it is
    coalesce(catalogued.title, ids.item_id) as title,
    catalogued.category,
    catalogued.brand,
    coalesce(catalogued.price, sold.unit_price) as price,
    -- booleans
    catalogued.in_stock,
    not {{ is_not_a_product('ids.item_id') }} as is_product,
    -- A shop that does not tell its stock is taken at its word that it sells what it lists.
    not {{ is_not_a_product('ids.item_id') }}
        and coalesce(catalogued.in_stock, true)
        and coalesce({{ local_date('catalogued.available_from') }} <= date '{{ var("night") }}', true)
        and coalesce({{ local_date('catalogued.available_until') }} >= date '{{ var("night") }}', true)
        as is_offerable
from ids
left join catalogued using (item_id)
left join sold using (item_id)
order by ids.item_id
