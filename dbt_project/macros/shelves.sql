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
order by context_type, context_id, rank
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

{{ as_shelf(placement, context_type, fingerprint='sql' if placement in ['buy_again', 'popular'] else placement) }}
{%- endmacro %}

{# A user's shelf from scored candidates under the shop's rules, each row with its reason. Reasons, first
   that applies: exploring, pinned, due_again and bought_before (evidence: the item itself),
   because_you_bought (the user's own item that is most similar), popular_now, similar_shoppers. #}
{% macro personal_shelf(placement) -%}
{% if explores(placement) -%}
with shelf as (
    {{ explored_shelf(placement) }}
),
{%- else -%}
with candidates as (
    {{ candidates_of(placement) }}
),

{{ ruled(placement, var('k')) }},

shelf as (
    select context_id as user_id, rank, item_id, score, source, pin_rank
    from ruled
),
{%- endif %}

own as (
    select * from {{ ref('feat_user_item') }} where as_of = date '{{ var("night") }}'
),

likenesses as (
    select
        shelf.user_id,
        shelf.item_id,
        own.item_id as own_item_id,
        row_number() over (
            partition by shelf.user_id, shelf.item_id
            order by similar_items.score desc, own.item_id
        ) as nearness
    from shelf
    join {{ source('ml', 'similar_items') }} as similar_items on similar_items.item_id = shelf.item_id
    join own
        on own.user_id = shelf.user_id
        and own.item_id = similar_items.similar_item_id
),

ranked as (
    select
        shelf.user_id as context_id,
        shelf.rank,
        shelf.item_id,
        shelf.score,
        shelf.source,
        {% if explores(placement) -%}
        shelf.is_exploration,
        shelf.propensity,
        {% endif -%}
        case
            {% if explores(placement) -%}
            when shelf.is_exploration then 'exploring'
            {% endif -%}
            when shelf.pin_rank is not null then 'pinned'
            when own.n_days >= 2 and {{ is_due('own.days_since_last', 'own.mean_gap_days') }} then 'due_again'
            when own.n_days >= 1 then 'bought_before'
            when likenesses.own_item_id is not null then 'because_you_bought'
            when shelf.source = 'popularity' then 'popular_now'
            else 'similar_shoppers'
        end as reason_code,
        case
            {% if explores(placement) -%}
            when shelf.is_exploration then []
            {% endif -%}
            when shelf.pin_rank is not null then []
            when own.n_days >= 1 then [shelf.item_id]
            when likenesses.own_item_id is not null then [likenesses.own_item_id]
            else []
        end as evidence
    from shelf
    left join own
        on own.user_id = shelf.user_id
        and own.item_id = shelf.item_id
    left join likenesses
        on likenesses.user_id = shelf.user_id
        and likenesses.item_id = shelf.item_id
        and likenesses.nearness = 1
)

{{ as_shelf(placement, "'user'", fingerprint=placement) }}
{%- endmacro %}
