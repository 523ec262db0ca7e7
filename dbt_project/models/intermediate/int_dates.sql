-- A date lies on one UTC day or on several, and changes when one of them does.
with days as (
    select
        occurred_on,
        fingerprint,
        unnest(list_distinct([{{ first_date('occurred_on') }}, {{ last_date('occurred_on') }}])) as event_date
    from {{ source('raw', 'days') }}
)

select
    event_date,
    list(occurred_on order by occurred_on) as days,
    string_agg(fingerprint, '+' order by occurred_on) as fingerprint
from days
where event_date < date '{{ var("night") }}'
group by event_date
order by event_date
