select as_of, user_id, brand, n_days, share
from (
    {{ tastes('brand') }}
)
