-- What the shop said of an item by each cut: the version of the catalogue that was true then, or no
-- more than its sales. A model that learnt as of May saw May's price, title and shelf.
with listed as (
    select as_ofs.as_of, versions.*
    from {{ ref('dim_item_versions') }} as versions
    join {{ ref('int_as_ofs') }} as as_ofs on {{ valid_as_of('as_ofs.as_of') }}
),

-- What an order line claims is no listing: an old item is first named when somebody first looks at it.
first_listed as (
    select items.item_id, {{ local_date('min(items.updated_at)') }} as listed_on
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    where not files.is_claim
    group by items.item_id
    having count(*) = count(items.updated_at)
),

sold as (
    select as_ofs.as_of, i.item_id, min(i.interaction_date) as sold_on
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    group by as_ofs.as_of, i.item_id
),

known as (
    select as_of, item_id from listed
    union
    select as_of, item_id from sold
)

select
    -- ids
    known.as_of,
    known.item_id,
    listed.parent_id,
    -- what it is
    titles.title,
    listed.category,
    listed.brand,
    listed.price,
    -- when: an undated catalogue does not say since when, its first sale does
    coalesce(
        {{ local_date('listed.available_from') }},
        case when first_listed.listed_on < known.as_of then first_listed.listed_on end,
        sold.sold_on
    ) as listed_on,
    -- booleans
    not {{ is_not_a_product('known.item_id') }}
        and coalesce(listed.in_stock, true)
        and coalesce({{ local_date('listed.available_from') }} <= known.as_of, true)
        and coalesce({{ local_date('listed.available_until') }} >= known.as_of, true)
        as is_offerable
from known
left join listed using (as_of, item_id)
left join first_listed using (item_id)
left join sold using (as_of, item_id)
left join {{ ref('int_item_titles') }} as titles using (as_of, item_id)
order by known.as_of, known.item_id
