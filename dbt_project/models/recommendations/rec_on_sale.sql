-- What costs less than it used to, for everybody, by category, and in each user's own categories.
{{ ruled_shelf('on_sale', 'context_type') }}
