{# Whether part of a placement's slots is left to chance tonight. #}
{% macro explores(placement) -%}
{{ return(placement in var('exploring')) }}
{%- endmacro %}

{# (context_id, item_id, rank, score, source): a placement's lists, and behind each the pool that its
   exploring slots are drawn from: as many again, and what has just arrived. All of them passed the
   rules as one list, so a cap that holds over list and pool together holds on whatever is shown of
   them; the same goes for variants. What is beyond a quota stays out of the pool for that reason. #}
{% macro ruled_candidates_of(placement) -%}
with candidates as (
    {{ candidates_of(placement) }}
),

{{ ruled(placement, var('k'), whole=true) }}

select context_id, item_id, rank, score, source
from ruled
where rank <= {{ var('k') }}
    or (
        not is_behind
        and (
            rank <= 2 * {{ var('k') }}
            or item_id in (select item_id from {{ ref('feat_arrivals') }} where not has_graduated)
        )
    )
{%- endmacro %}

{# What `personal_shelf` goes on from where the placement explores. No pin stands on such a shelf. #}
{% macro explored_shelf(placement) -%}
select
    'user' as context_type,
    context_id,
    rank,
    item_id,
    score,
    case when is_exploration then 'exploration' else source end as source,
    is_exploration,
    propensity,
    null::integer as pin_rank
from {{ ref('explored_slots') }}
where placement = '{{ placement }}'
{%- endmacro %}
