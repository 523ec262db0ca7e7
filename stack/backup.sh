#!/bin/sh
# Writes the server's backup into a new file of the caller's: `make backup`. A step at work is refused,
# servers stay up.
set -eu
umask 077
file=$1
[ ! -e "$file" ] || { echo "✗ $file is there already. Next: name a new file." >&2; exit 2; }
mkdir -p "$(dirname "$file")"
trap 'rm -f "$file.incoming"' EXIT
${COMPOSE:-docker-compose} run --rm --no-TTY runner backup - > "$file.incoming"
mv "$file.incoming" "$file"
echo "$file"
