-- What is new to the shop on the night, and how fast people take to it. The rule of what has arrived
-- is that of ml/nightshelf/candidates/new_arrivals.py, which offers the same items to users; a test
-- holds the two against each other.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with sold as (
    select i.item_id, min(i.interaction_date) as sold_on
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
    group by i.item_id
),

items as (
    select
        catalogue.item_id,
        catalogue.category,
        catalogue.listed_on,
        sold.sold_on,
        coalesce(catalogue.listed_on < sold.sold_on, catalogue.listed_on is not null) as is_by_listing
    from {{ ref('feat_catalogue') }} as catalogue
    left join sold using (item_id)
    where catalogue.as_of = {{ night }}
),

-- The catalogue's first day is when the shop opened its books, and the log's first weeks bring forth
-- whatever sells seldom.
beginnings as (
    select
        (select min(listed_on) from items where is_by_listing) as books_open_on,
        (select min(sold_on) from sold) as log_begins_on
),

arrived as (
    select items.*, least(listed_on, sold_on) as arrived_on
    from items
    cross join beginnings
    where case
        when is_by_listing then listed_on > books_open_on
        else sold_on >= log_begins_on + {{ var('settle_days') }}
    end
),

recent as (
    select
        arrived.item_id,
        arrived.category,
        arrived.arrived_on,
        ({{ night }} - arrived.arrived_on)::integer as days_here,
        coalesce(sold.n_buyers, 0) as n_buyers
    from arrived
    left join {{ ref('feat_item') }} as sold on sold.item_id = arrived.item_id and sold.as_of = {{ night }}
    where arrived.arrived_on between {{ night }} - {{ var('arrival_days') }} and {{ night }} - 1
)

select
    -- ids
    item_id,
    category,
    -- numerics
    n_buyers::integer as n_buyers,
    days_here,
    -- Mixed with so many days at the average of all arrivals; where nobody took any, all are alike.
    (n_buyers + {{ var('shrink_days') }} * (sum(n_buyers) over () + 1) / sum(days_here) over ())::double
        / (days_here + {{ var('shrink_days') }}) as buyers_per_day,
    -- booleans
    n_buyers >= {{ var('graduates_at') }} as has_graduated,
    -- when
    arrived_on
from recent
order by item_id
