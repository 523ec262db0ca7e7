{{ config(tags=['prepare']) }}
-- A returned row is a layer whose total does not agree with the one before it.
select *
from {{ ref('rpt_events') }}
where n_raw <> n_copies + n_after_night + n_robots + n_internal + n_no_item + n_not_a_product
    + n_impossible_quantity + n_impossible_price + n_kept
