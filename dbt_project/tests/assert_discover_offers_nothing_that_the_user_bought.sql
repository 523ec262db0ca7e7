{{ config(tags=['shelve']) }}
-- A returned row is an item on a user's discovery shelf that the user owns already.
select shelf.context_id, shelf.item_id
from {{ ref('rec_discover') }} as shelf
join {{ ref('feat_user_item') }} as own
    on own.user_id = shelf.context_id
    and own.item_id = shelf.item_id
    and own.as_of = date '{{ var("night") }}'
