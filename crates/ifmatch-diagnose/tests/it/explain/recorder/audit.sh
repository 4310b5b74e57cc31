#!/bin/bash
# Records an audit: two clients before a gateway, once in enforce mode and once in observe mode.
# bash audit.sh PATH/TO/ifmatch PATH/TO/examples/notes.py FILE
set -e
binary=$1 notes=$2 into=$3
folder=$(mktemp -d)
trap 'kill $api $gateway 2>/dev/null; rm -rf "$folder"' EXIT
: > "$into"

begin() {
  python3 "$notes" 0 > "$folder/notes" 2>&1 & api=$!
  until upstream=$(grep -o 'http://[0-9.]*:[0-9]*' "$folder/notes"); do sleep 0.1; done
  "$binary" serve --upstream "$upstream" --mode "$1" --listen 127.0.0.1:0 --admin off --state "$folder/$1" > "$folder/out" & gateway=$!
  until base=$(grep -o 'http://127.0.0.1:[0-9]*/' "$folder/out" | head -1) && [ "$base" ]; do sleep 0.1; done
  orders=${base}orders/42
}

end() {
  kill "$gateway"; wait "$gateway" || true
  cat "$folder/$1/audit.jsonl" >> "$into"
  kill "$api"; wait "$api" 2>/dev/null || true
}

as() { local who=$1; shift; curl -s -u "$who:a-password" -A "$who/1.0" -H "X-Client: $who" "$@"; }
tag() { as "$1" -D - -o /dev/null "$orders" | tr -d '\r' | sed -n 's/^etag: //Ip'; }

begin enforce
as erp -X PUT "$orders" -H 'If-None-Match: *' -d '{"status":"open"}' -o /dev/null
seen=$(tag web)
as web -X PUT "$orders" -d '{"status":"shipped"}' -o /dev/null                               # no condition
as erp -X PUT "$orders" -H "If-Match: $(tag erp)" -d '{"status":"paid"}' -o /dev/null
as web -X PUT "$orders" -H "If-Match: $seen" -d '{"status":"shipped"}' -D "$folder/head" -o /dev/null    # another wrote
now=$(tr -d '\r' < "$folder/head" | sed -n 's/^etag: //Ip')
as web -X PUT "$orders" -H "If-Match: $now" -d '{"status":"shipped"}' -o /dev/null           # blind retry
as web -X PUT "$orders" -H "If-Match: $now" -d '{"status":"delivered"}' -o /dev/null         # its own write
end enforce

begin observe
orders=${base}orders/43
as erp -X PUT "$orders" -d '{"status":"open"}' -o /dev/null
as web "$orders" -o /dev/null
as erp "$orders" -o /dev/null
as erp -X PUT "$orders" -d '{"status":"paid"}' -o /dev/null
as web -X PUT "$orders" -d '{"status":"shipped"}' -o /dev/null                               # erp's is gone
end observe
