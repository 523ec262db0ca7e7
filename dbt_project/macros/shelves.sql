{# The one schema of every shelf, in its order. `ranked` is a relation with context_id, rank, item_id,
   score, source, reason_code and evidence; where the placement explores, is_exploration and propensity,
   too. Elsewhere every row is certain. #}
{% macro as_shelf(placement, context_type, ranked='ranked', fingerprint='sql') -%}
select
    date '{{ var("night") }}' as night,
    '{{ placement }}' as placement,
    {{ context_type }} as context_type,
    context_id::varchar as context_id,
    rank::integer as rank,
    item_id::varchar as item_id,
    score::double as score,
    source::varchar as source,
    reason_code::varchar as reason_code,
    evidence::varchar[] as evidence,
    (select max(fingerprint) from {{ source('ml', 'fingerprints') }} where shelf = '{{ fingerprint }}')
        as model_fingerprint,
    {% if explores(placement) -%}
    is_exploration,
    propensity
    {%- else -%}
    false as is_exploration,
    1.0::double as propensity
    {%- endif %}
from {{ ranked }}
{% if placement in var('off') -%} where false {%- endif %}
{%- endmacro %}

{# A shelf of ranked candidates under the shop's rules. #}
{% macro ruled_shelf(placement, context_type) -%}
with candidates as (
    {{ candidates_of(placement) }}
),

{{ ruled(placement, length_of(placement)) }},

ranked as (
    select
        * exclude (reason_code, evidence),
        case when pin_rank is null then reason_code else 'pinned' end as reason_code,
        case when pin_rank is null then evidence else [] end as evidence
    from ruled
)

{{ as_shelf(placement, context_type, fingerprint=ranked_by(placement)) }}
{%- endmacro %}

{# The name that ml.fingerprints has for what ranked a placement's candidates. #}
{% macro ranked_by(placement) -%}
{%- if placement in ['buy_again', 'popular', 'new_arrivals', 'on_sale'] -%}{{ return('sql') }}{%- endif -%}
{{ return('onboarding' if placement == 'cold_start' else placement) }}
{%- endmacro %}

{# A user's shelf from scored candidates under the shop's rules, each row with its reason. Reasons, first
   that applies: exploring, pinned, due_again, bought_before and looked_at (evidence: the item itself),
   because_you_bought (the user's own item that is most similar), popular_now, similar_shoppers. #}
{% macro personal_shelf(placement) -%}
-- Read three times, as it lies: a copy of all its text would be the largest thing in memory.
with candidates as not materialized (
    {% if explores(placement) -%}
    {{ explored_shelf(placement) }}
    {%- else -%}
    {{ candidates_of(placement) }}
    {%- endif %}
),

{% if explores(placement) -%}
{{ numbered({'placement': placement}) }},

placed as (
    select * from numbered
),
{%- else -%}
{{ ruled(placement, var('k')) }},
{%- endif %}

own as (
    select
        lists.list_no,
        items.item_no,
        own.n_days,
        {{ is_due('own.days_since_last', 'own.mean_gap_days') }} as is_due
    from {{ ref('feat_user_item') }} as own
    join numbered_lists as lists on lists.context_id = own.user_id
    join numbered_items as items using (item_id)
    where own.as_of = date '{{ var("night") }}'
),

owned as (
    select list_no, list(item_no) as items from own group by list_no
),

-- Of each item those it is like, the likest first.
likenesses as (
    select item.item_no, list(other.item_no order by similar_items.score desc, other.item_no) as others
    from {{ source('ml', 'similar_items') }} as similar_items
    join numbered_items as item using (item_id)
    join numbered_items as other on other.item_id = similar_items.similar_item_id
    group by item.item_no
),

-- What the user has taken needs no likeness for its reason.
unfamiliar as (
    select list_no, item_no
    from placed
    anti join own using (list_no, item_no)
    where pin_rank is null
),

-- A list of each side, and not the pairs between them: of 200 thousand users these are 40 million.
nearest as (
    select list_no, item_no, list_filter(others, lambda other: list_contains(items, other))[1] as own_item_no
    from unfamiliar
    join owned using (list_no)
    join likenesses using (item_no)
),

-- Whole before any text comes to it: else the planner hashes four million rows of text to look up numbers.
reasoned as materialized (
    select placed.*, own.n_days, own.is_due, nearest.own_item_no
    from placed
    left join own using (list_no, item_no)
    left join nearest using (list_no, item_no)
),

ranked as (
    select
        lists.context_id,
        reasoned.rank,
        items.item_id,
        reasoned.score,
        sources.source,
        {% if explores(placement) -%}
        reasoned.is_exploration,
        reasoned.propensity,
        {% endif -%}
        case
            {% if explores(placement) -%}
            when reasoned.is_exploration then 'exploring'
            {% endif -%}
            when reasoned.pin_rank is not null then 'pinned'
            when reasoned.n_days >= 2 and reasoned.is_due then 'due_again'
            when reasoned.n_days >= 1 then 'bought_before'
            when sources.source = 'own_history' then 'looked_at'
            when reasoned.own_item_no is not null then 'because_you_bought'
            when sources.source = 'popularity' then 'popular_now'
            else 'similar_shoppers'
        end as reason_code,
        case
            {% if explores(placement) -%}
            when reasoned.is_exploration then []
            {% endif -%}
            when reasoned.pin_rank is not null then []
            when reasoned.n_days >= 1 or sources.source = 'own_history' then [items.item_id]
            when reasoned.own_item_no is not null then [nearest_items.item_id]
            else []
        end as evidence
    from reasoned
    join numbered_lists as lists using (list_no)
    join numbered_items as items using (item_no)
    join numbered_sources as sources using (source_no)
    left join numbered_items as nearest_items on nearest_items.item_no = reasoned.own_item_no
)

{{ as_shelf(placement, "'user'", fingerprint=placement) }}
{%- endmacro %}
