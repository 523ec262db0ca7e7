{{ tastes('category') }}
