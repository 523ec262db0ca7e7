-- The catalogue as of the night, from dim_item_versions, and what keeps an item off every shelf. Items
-- that events name and no catalogue does are kept, named by their id.
with catalogued as (
    select versions.*
    from {{ ref('dim_item_versions') }} as versions
    where {{ valid_as_of("date '" ~ var('night') ~ "'") }}
),

mentioned as (
    select
        item_id,
        -- The last one paid; a look's is only shown. At 0 it was given away, or nobody said.
        arg_max(
            unit_price,
            {'was_paid': event_type = 'purchase', 'at': occurred_at, 'source': source, 'event': event_id}
        ) filter (unit_price > 0) as unit_price
    from {{ ref('int_events_cleaned') }}
    where dropped_by is null
    group by item_id
),

ids as (
    select item_id from catalogued
    union
    select item_id from mentioned
),

described as (
    select
        ids.item_id,
        coalesce(catalogued.parent_id, ids.item_id) as product_id,
        coalesce(catalogued.title, ids.item_id) as title,
        catalogued.category,
        catalogued.category_path,
        catalogued.brand,
        coalesce(catalogued.price, mentioned.unit_price) as price,
        catalogued.cost,
        catalogued.in_stock,
        catalogued.available_from,
        catalogued.available_until,
        not {{ is_not_a_product('ids.item_id') }} as is_product,
        -- An order line that names it puts it back into no catalogue.
        catalogued.is_listed is not true
            and ids.item_id in (select item_id from {{ source('raw', 'items_once') }}) as has_left,
        -- Of two negatives the quotient is above 1: a flipped sign would earn more than anything.
        -- Rounded: 0.88 of 1.10 leaves a fifth, and not 0.19999999999999998.
        case
            when coalesce(catalogued.price, mentioned.unit_price) > 0 and catalogued.cost >= 0
                then round(1 - catalogued.cost / coalesce(catalogued.price, mentioned.unit_price), 6)
        end::double as margin
    from ids
    left join catalogued using (item_id)
    left join mentioned using (item_id)
),
{% if rule('blocks') %}
blocked as (
    select item_id, list_sort(list(distinct 'blocked_' || subject)) as by_lines
    from ({{ items_of_lines('block', 'described') }})
    group by item_id
),
{% endif %}
judged as (
    select
        described.*,
        list_filter(
            [
                case when not is_product then 'not_a_product' end,
                -- A shop that does not tell its stock is taken at its word that it sells what it lists.
                case when not in_stock then 'out_of_stock' end,
                case when has_left then 'left_the_catalogue' end,
                case
                    when {{ local_date('available_from') }} > date '{{ var("night") }}'
                        or {{ local_date('available_until') }} < date '{{ var("night") }}' then 'not_on_sale'
                end
                {%- if rule('min_margin') is not none %},
                -- What is not known to earn enough does not.
                case when (margin >= {{ rule('min_margin') }}) is not true then 'min_margin' end
                {%- endif %}
            ],
            lambda why: why is not null
        ){% if rule('blocks') %} || coalesce(blocked.by_lines, []){% endif %} as withheld_by
    from described
    {% if rule('blocks') %}left join blocked using (item_id){% endif %}
),

-- Items of one price are of one band, so that bands of a shop with few prices are not equally large.
bounds as (
    select quantile_disc(price, [
        {%- for n in range(1, rule('price_bands') or 5) %}{{ n / (rule('price_bands') or 5) }}{{ ', ' if not loop.last }}{% endfor -%}
    ]) as prices
    from judged
    where withheld_by = []
)

select
    -- ids
    judged.item_id,
    judged.product_id,
    -- what it is
    judged.title,
    judged.category,
    judged.category_path,
    judged.brand,
    -- numerics
    judged.price,
    judged.cost,
    judged.margin,
    case
        when judged.price is not null
            then 1 + length(list_filter(bounds.prices, lambda bound: bound < judged.price))
    end::integer as price_band,
    -- booleans
    judged.in_stock,
    judged.is_product,
    judged.withheld_by = [] as is_offerable,
    -- why not
    judged.withheld_by
from judged
cross join bounds
order by judged.item_id
