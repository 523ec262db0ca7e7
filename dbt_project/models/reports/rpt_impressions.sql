{{ config(tags=['prepare']) }}

-- Every kept impression of the days that are followed, by what was made of it: the sum is all of them.
with ended as (
    select
        *,
        case
            when unmatched_because is not null then unmatched_because
            when position <> rank then 'other_position'
            else 'matched'
        end as outcome,
        -- Lists that are not ours may have any name: they are one row.
        case when unmatched_because = 'other_list' then '' else coalesce(placement, '') end as named
    from {{ ref('fct_impressions') }}
)

select
    named as placement,
    outcome,
    count(*) as n_impressions,
    min(list_id) as example,
    case outcome
        when 'matched' then 'the slot of a published shelf'
        when 'other_position' then 'on the list, but shown at another place than its rank'
        when 'no_list' then 'the event names no list'
        when 'other_list' then 'the list_id names none of the placements that were published'
        when 'no_night' then 'no published night of these days was in force, or the night it names is none'
        when 'other_user' then 'a user''s shelf, and the list_id names another user'
        when 'no_such_list' then 'the night has no such list'
        when 'not_on_list' then 'the list does not hold the item'
    end as means
from ended
group by named, outcome
order by named, outcome
