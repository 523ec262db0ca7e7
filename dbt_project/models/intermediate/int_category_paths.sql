-- From each category up to its root, and since when: whatever moves on the way is another path. A
-- parent that is unknown then, or that the path has passed already, ends the path: a tree with a circle
-- in it is wrong, and no reason to go round for ever.
with recursive known as (
    select categories.*, files.name as file_name
    from {{ ref('stg_categories') }} as categories
    join {{ source('raw', 'files') }} as files using (file_id)
    where categories.updated_at is null
        or {{ local_date('categories.updated_at') }} < date '{{ var("night") }}'
),

aged as (
    select
        category_id,
        parent_id,
        coalesce(title, category_id) as title,
        coalesce(updated_at, timestamp '-infinity') as since,
        row_number() over (partition by category_id, updated_at order by {{ newest_first() }}) as age
    from known
),

changes as (
    select category_id, parent_id, title, since
    from aged
    where age = 1
    qualify row_number() over (partition by category_id order by since) = 1
        or row(parent_id, title) is distinct from lag(row(parent_id, title)) over (partition by category_id order by since)
),

said as (
    from changes
    union all
    -- Before anything was said of it, a category is an unknown parent: no title, and nothing above.
    select category_id, null, null, timestamp '-infinity'
    from changes
    group by category_id
    having min(since) > timestamp '-infinity'
),

tree as (
    select
        category_id,
        case when parent_id in (select category_id from changes) then parent_id end as parent_id,
        title,
        since,
        lead(since, 1, timestamp 'infinity') over (partition by category_id order by since) as until
    from said
),

climbed as (
    select category_id, parent_id as next_id, [category_id] as passed, title as path, 1 as n_levels, since, until
    from tree
    where title is not null

    union all

    select
        climbed.category_id,
        tree.parent_id,
        list_append(climbed.passed, tree.category_id),
        concat_ws(' > ', tree.title, climbed.path),
        climbed.n_levels + (tree.title is not null)::integer,
        greatest(climbed.since, tree.since),
        least(climbed.until, tree.until)
    from climbed
    join tree
        on tree.category_id = climbed.next_id
        and tree.since < climbed.until
        and tree.until > climbed.since
    where not list_contains(climbed.passed, climbed.next_id)
)

select
    category_id,
    path as category_path,
    n_levels,
    nullif(since, timestamp '-infinity') as valid_from
from climbed
where next_id is null
    or list_contains(passed, next_id)
order by category_id, since
