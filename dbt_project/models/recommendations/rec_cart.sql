-- What completes a cart of one item, or of two that are often bought together.
{{ ruled_shelf('cart', 'context_type') }}
