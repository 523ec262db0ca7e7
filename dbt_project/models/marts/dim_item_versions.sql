-- What the shop said of an item, and from when until when it was the last word. Each attribute is
-- the last one known: a price list may come daily, a title once. What order lines claim counts where
-- the catalogue is silent. Versions in which nothing changed are one.
with known as (
    select
        items.*,
        files.name as file_name,
        files.is_claim
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    where items.updated_at is null or {{ local_date('items.updated_at') }} < date '{{ var("night") }}'
),

-- A category that moves in the tree takes its items along: that is a line which says nothing else.
moved as (
    select distinct firsts.item_id, paths.valid_from as updated_at
    from (
        select item_id, category_path, min(coalesce(updated_at, timestamp '-infinity')) as since
        from known
        group by item_id, category_path
    ) as firsts
    join {{ ref('int_category_paths') }} as paths on paths.category_id = firsts.category_path
    where paths.valid_from > firsts.since
),

lines as (
    from known
    union all by name
    from moved
),

carried as (
    select
        item_id,
        updated_at,
        {{ last_word('title', 'not is_claim and title is not null') }} as title,
        {{ last_told('category_path') }} as told_path,
        {{ last_told('brand') }} as brand,
        {{ last_word('parent_id', 'parent_id is not null') }} as parent_id,
        -- A line without a price may claim 0.
        coalesce({{ last_word('price', 'not is_claim') }}, {{ last_word('price', 'is_claim and price > 0') }}) as price,
        {{ last_word('cost', 'cost is not null') }} as cost,
        {{ last_word('in_stock', 'in_stock is not null') }} as in_stock,
        {{ last_word("{'from': available_from, 'until': available_until}",
            'available_from is not null or available_until is not null') }} as span,
        coalesce(bool_or(not is_claim) over so_far, false) as is_listed,
        -- Of what was said at one instant, the last line has heard all others.
        row_number() over (partition by item_id, updated_at order by {{ newest_first() }}) as age
    from lines
    window so_far as (
        partition by item_id
        order by updated_at nulls first, file_name, source_row, element, file_id desc
        rows unbounded preceding
    )
),

placed as (
    select
        carried.* exclude (age),
        coalesce(paths.category_path, carried.told_path) as category_path
    from carried
    asof left join {{ ref('int_category_paths') }} as paths
        on paths.category_id = carried.told_path
        and coalesce(paths.valid_from, timestamp '-infinity') <= coalesce(carried.updated_at, timestamp '-infinity')
    where carried.age = 1
),

versions as (
    select
        *,
        {{ two_levels('category_path') }} as category,
        row(title, category_path, brand, parent_id, price, cost, in_stock, span, is_listed) as said
    from placed
),

changes as (
    select *
    from versions
    qualify row_number() over (partition by item_id order by updated_at nulls first) = 1
        or said is distinct from lag(said) over (partition by item_id order by updated_at nulls first)
)

select
    -- ids
    changes.item_id,
    changes.parent_id,
    -- what it is
    coalesce(changes.title, titles.title, changes.item_id) as title,
    changes.category,
    changes.category_path,
    changes.brand,
    changes.price,
    changes.cost,
    -- booleans
    changes.in_stock,
    changes.is_listed,
    -- when
    changes.span."from" as available_from,
    changes.span.until as available_until,
    changes.updated_at as valid_from,
    lead(changes.updated_at) over (partition by changes.item_id order by changes.updated_at nulls first) as valid_until
from changes
left join {{ ref('int_item_titles') }} as titles
    on titles.item_id = changes.item_id and titles.as_of = date '{{ var("night") }}'
order by changes.item_id, valid_from nulls first
