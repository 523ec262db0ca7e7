-- What the newest line before the night says of each user. A line stands whole: one that leaves the
-- consent out takes back what an older one said of it.
select
    users.user_id,
    users.region,
    users.consent
from {{ ref('stg_users') }} as users
join {{ source('raw', 'files') }} as files using (file_id)
where users.updated_at is null
    or {{ local_date('users.updated_at') }} < date '{{ var("night") }}'
qualify row_number() over (
    partition by users.user_id
    order by users.updated_at desc nulls last, files.name desc, users.source_row desc, users.element desc, file_id
) = 1
order by users.user_id
