-- What arrived lately, until it graduates. Part of the slots go to what sells fastest; the others go
-- round: the rest stand in a fixed order of their own in each context, and every night the next of them
-- are shown, so that of n that wait for q slots each has its turn within n / q nights.
{% set n_round = (var('k_new') * var('new_share')) | round(0, 'floor') | int %}
{% set n_fast = var('k_new') - n_round %}
with arrivals as (
    select arrivals.item_id, items.category, arrivals.buyers_per_day as score
    from {{ ref('feat_arrivals') }} as arrivals
    join {{ ref('dim_items') }} as items using (item_id)
    where items.is_offerable
        and not arrivals.has_graduated
),

contexts as (
    {{ for_all_and_by_category('arrivals') }}
),

placed as (
    select
        *,
        row_number() over (
            partition by context_type, context_id
            order by score desc, item_id
        ) <= {{ n_fast }} as is_fast
    from contexts
),

-- md5 and not the database's own hash: that may change with its version, and all turns with it.
queued as (
    select
        *,
        row_number() over (
            partition by context_type, context_id, is_fast
            order by md5(context_type || context_id || item_id), item_id
        ) - 1 as place,
        count(*) over (partition by context_type, context_id, is_fast) as n_waiting
    from placed
),

shown as (
    select
        *,
        case when is_fast then 'arrivals' else 'rotation' end as source,
        -- How many places behind the first of the night's turn.
        (place - {{ n_round }} * (date '{{ var("night") }}' - date '1970-01-01')) % n_waiting as behind
    from queued
    where is_fast
        or (behind + n_waiting) % n_waiting < {{ n_round }}
),

best as (
    {{ best_of_each_context('shown', var('k_new'), 'new_arrivals') }}
),

ranked as (
    select *, 'new_arrival' as reason_code, [] as evidence from best
)

{{ as_shelf('new_arrivals', 'context_type') }}
