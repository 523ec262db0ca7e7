-- What an item costs on the night, and what it usually cost one to three months before. Like is held
-- against like: a dated catalogue against itself, else what was paid against what was paid, since a
-- list price with tax beside a paid one without would make everything a bargain.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with paid as (
    select
        i.item_id,
        i.user_id,
        i.interaction_date,
        (i.revenue / i.quantity)::double as price
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
        and i.event_type = '{{ var("target_event") }}'
        and i.interaction_date >= {{ night }} - 91
        and i.revenue > 0
        and i.quantity > 0
),

of_payments as (
    select
        item_id,
        'paid' as basis,
        median(price) filter (interaction_date >= {{ night }} - 7) as price,
        median(price) filter (interaction_date < {{ night }} - 28) as usual_price
    from paid
    group by item_id
    -- A coupon of one user does not move the median of three.
    having count(distinct user_id) filter (interaction_date >= {{ night }} - 7) >= 3
        and count(distinct user_id) filter (interaction_date < {{ night }} - 28) >= 3
),

-- Since when a dated catalogue tells an item's price; an undated line says it since ever. A price that stands on an
-- order line is what was paid, and no list price.
dated as (
    select
        items.item_id,
        case when count(items.updated_at) = count(*) then min(items.updated_at) end as since
    from {{ ref('stg_items') }} as items
    join {{ source('raw', 'files') }} as files using (file_id)
    where not files.is_claim
        and items.price is not null
        and (items.updated_at is null or {{ local_date('items.updated_at') }} < {{ night }})
    group by items.item_id
    having count(items.updated_at) > 0
),

spans as (
    select
        item_id,
        versions.price::double as price,
        least(coalesce({{ local_date('valid_until') }}, {{ night }}), {{ night }} - 28)
            - greatest({{ local_date('valid_from') }}, {{ local_date('since') }}, {{ night }} - 91) as n_days
    from {{ ref('dim_item_versions') }} as versions
    join dated using (item_id)
    where versions.price > 0
),

cumulated as (
    select
        item_id,
        price,
        sum(n_days) over (partition by item_id order by price) as n_days_so_cheap,
        sum(n_days) over (partition by item_id) as n_days
    from spans
    where n_days > 0
),

-- The price that half of the days were at or below.
usual as (
    select item_id, min(price) as usual_price
    from cumulated
    where 2 * n_days_so_cheap >= n_days
        and n_days >= 28
    group by item_id
),

of_catalogue as (
    select item_id, 'catalogue' as basis, catalogue.price::double as price, usual_price
    from {{ ref('feat_catalogue') }} as catalogue
    join usual using (item_id)
    where catalogue.as_of = {{ night }}
        and catalogue.price > 0
),

known as (
    from of_catalogue
    union all
    select * from of_payments anti join of_catalogue using (item_id)
)

select
    -- ids
    item_id,
    basis,
    -- numerics
    price,
    usual_price,
    -- Rounded: 16 for 20 is 20 % less, and not 19.999999999999996.
    round(1 - price / usual_price, 6) as discount,
    -- booleans: a tenth of the usual price is another unit, and no sale.
    discount between {{ var('sale_share') }} and 0.9 as is_on_sale
from known
order by item_id
