-- The catalogue as of the night. Each attribute is the last one known before it: a price list may
-- come daily, a title once. Items that were sold but never catalogued are kept, named by their id.
with known as (
    select items.*, files.name as file_name
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    where items.updated_at is null or {{ local_date('items.updated_at') }} < date '{{ var("night") }}'
),

{%- for name, columns, given in [
    ('titles', 'title', 'title is not null'),
    ('kinds', 'category, brand', 'category is not null or brand is not null'),
    ('prices', 'price', 'price is not null'),
    ('stocks', 'in_stock', 'in_stock is not null'),
    ('spans', 'available_from, available_until', 'available_from is not null or available_until is not null'),
] %}
{{ name }} as (
    select
        item_id,
        {{ columns }},
        row_number() over (partition by item_id order by {{ newest_first() }}) as age
    from known
    where {{ given }}
),
{% endfor %}
sold as (
    select
        item_id, unit_price,
        row_number() over (partition by item_id order by occurred_at desc, event_id) as age
    from {{ ref('int_events_cleaned') }}
    where dropped_by is null
),

ids as (
    select item_id from known
    union
    select item_id from sold
)

select
    -- ids
    ids.item_id,
    -- what it is
    coalesce(titles.title, ids.item_id) as title,
    kinds.category,
    kinds.brand,
    coalesce(prices.price, sold.unit_price) as price,
    -- booleans
    stocks.in_stock,
    regexp_full_match(ids.item_id, {{ string_literal(var('product_id_pattern')) }}) as is_product,
    -- A shop that does not tell its stock is taken at its word that it sells what it lists.
    regexp_full_match(ids.item_id, {{ string_literal(var('product_id_pattern')) }})
        and coalesce(stocks.in_stock, true)
        and coalesce({{ local_date('spans.available_from') }} <= date '{{ var("night") }}', true)
        and coalesce({{ local_date('spans.available_until') }} >= date '{{ var("night") }}', true)
        as is_offerable
from ids
left join titles on titles.item_id = ids.item_id and titles.age = 1
left join kinds on kinds.item_id = ids.item_id and kinds.age = 1
left join spans on spans.item_id = ids.item_id and spans.age = 1
left join prices on prices.item_id = ids.item_id and prices.age = 1
left join stocks on stocks.item_id = ids.item_id and stocks.age = 1
left join sold on sold.item_id = ids.item_id and sold.age = 1
order by ids.item_id
