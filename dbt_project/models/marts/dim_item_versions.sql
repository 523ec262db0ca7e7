-- What the shop said of an item, and from when until when it was the last word. Each attribute is
-- the last one known: a price list may come daily, a title once. What order lines claim counts where
-- the catalogue is silent. Versions in which nothing changed are one.
with known as (
    select
        items.*,
        files.name as file_name,
        files.is_claim,
        coalesce(paths.category_path, items.category_path) as full_path
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    left join {{ ref('int_category_paths') }} as paths on paths.category_id = items.category_path
    where items.updated_at is null or {{ local_date('items.updated_at') }} < date '{{ var("night") }}'
),

attributes as (
    select
        *,
        {{ two_levels('full_path') }} as category
    from known
),

carried as (
    select
        item_id,
        updated_at,
        {{ last_word('title', 'not is_claim and title is not null') }} as title,
        {{ last_word("{'category': category, 'brand': brand}", 'category is not null or brand is not null') }} as kind,
        {{ last_word('parent_id', 'parent_id is not null') }} as parent_id,
        coalesce(
            {{ last_word('price', 'not is_claim and price is not null') }},
            {{ last_word('price', 'is_claim and price is not null') }}
        ) as price,
        {{ last_word('in_stock', 'in_stock is not null') }} as in_stock,
        {{ last_word("{'from': available_from, 'until': available_until}",
            'available_from is not null or available_until is not null') }} as span,
        -- Of what was said at one instant, the last line has heard all others.
        row_number() over (partition by item_id, updated_at order by {{ newest_first() }}) as age
    from attributes
    window so_far as (
        partition by item_id
        order by updated_at nulls first, file_name, source_row, element, file_id desc
        rows unbounded preceding
    )
),

versions as (
    select
        * exclude (age),
        row(title, kind, parent_id, price, in_stock, span) as said
    from carried
    where age = 1
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
    changes.kind.category as category,
    changes.kind.brand as brand,
    changes.price,
    -- booleans
    changes.in_stock,
    -- when
    changes.span."from" as available_from,
    changes.span.until as available_until,
    changes.updated_at as valid_from,
    lead(changes.updated_at) over (partition by changes.item_id order by changes.updated_at nulls first) as valid_until
from changes
left join {{ ref('int_item_titles') }} as titles
    on titles.item_id = changes.item_id and titles.as_of = date '{{ var("night") }}'
order by changes.item_id, valid_from nulls first
