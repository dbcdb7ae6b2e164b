#!/bin/sh
# Create or start a PostgreSQL container for development, wait until it answers, and write SQLALCHEMY_DATABASE_URI
# to .env unless .env sets it already.
#
#   POSTGRES_IMAGE   the image, by default postgres:18-alpine
#   POSTGRES_PORT    the port on 127.0.0.1, by default 5432
#
# An existing container keeps its image and port until `docker rm`. The data are in a volume, which remains.
# The password is fixed, because the volume would keep the password of an earlier container. Other machines cannot
# reach the port.
set -eu
cd "$(dirname "$0")/.."

image=${POSTGRES_IMAGE:-postgres:18-alpine}
port=${POSTGRES_PORT:-5432}
name=$(printf '%s-postgres' "$(basename "$PWD")" | sed 's/[^a-zA-Z0-9_.-]/-/g; s/^[^a-zA-Z0-9]*//')
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

# Print in one sentence why docker failed. The argument says what to do if the port is in use.
reason() {
    if grep -q -e 'already allocated' -e 'address already in use' "$scratch"; then
        echo "the port is in use: stop what listens there, or $1"
    else
        grep -v -e '^$' -e '--help' "$scratch" | tail -n 1 | sed 's/^docker: //; s/^Error response from daemon: //'
    fi
}

command -v docker >/dev/null || fail "Docker is not installed; \`make postgres\` starts a PostgreSQL without it."
docker info >/dev/null 2>&1 || fail "No Docker engine answers; \`make postgres\` starts a PostgreSQL without it."

if docker container inspect "$name" >/dev/null 2>&1; then
    docker start "$name" >/dev/null 2>"$scratch" ||
        fail "The container $name does not start: $(reason "docker rm $name and set POSTGRES_PORT")"
else
    docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image" 2>"$scratch" ||
        fail "The image $image is not available: $(reason '')"
    # The image declares a volume, up to version 17 at /var/lib/postgresql/data. This path works with every version.
    docker run --detach --name "$name" --publish "127.0.0.1:$port:5432" --env POSTGRES_PASSWORD=postgres \
        --volume "$name:/var/lib/postgresql" --env PGDATA=/var/lib/postgresql/pgdata \
        "$image" >/dev/null 2>"$scratch" || {
        docker rm --force "$name" >/dev/null 2>&1 || true
        fail "The container $name cannot be created: $(reason "set POSTGRES_PORT")"
    }
fi

# Over TCP, because the server listens only on its Unix socket while the image creates the data.
seconds=0
until docker exec "$name" pg_isready --quiet --host 127.0.0.1 --username postgres >/dev/null 2>&1; do
    docker top "$name" >/dev/null 2>&1 && [ "$seconds" -lt 60 ] ||
        fail "PostgreSQL does not start, see docker logs $name: $(docker logs --tail 1 "$name" 2>&1)"
    seconds=$((seconds + 1))
    sleep 1
done
port=$(docker port "$name" 5432/tcp | sed 's/.*://; q')
echo "PostgreSQL answers on 127.0.0.1:$port; docker stop $name stops it. The data are in the volume $name."

uri="postgresql+asyncpg://postgres:postgres@127.0.0.1:$port/postgres"
variable='^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}SQLALCHEMY_DATABASE_URI[[:space:]]*=[[:space:]]*'
nothing="[\"']\{0,2\}[[:space:]]*\$"
[ -e .env ] || (umask 077 && cp .env.development .env)
[ "$(tr -d '\000' <.env | wc -c)" -eq "$(wc -c <.env)" ] || fail ".env is UTF-16 and not UTF-8: save it as UTF-8."
current=$(sed -n "s/$variable//p" .env | tail -n 1 | tr -d "\"'\r")
case ${current%%[[:space:]]*} in
"$uri")
    echo ".env already has SQLALCHEMY_DATABASE_URI=$uri"
    ;;
?*)
    echo ".env keeps its own SQLALCHEMY_DATABASE_URI; this one is $uri"
    ;;
*)
    if grep -q "$variable" .env; then
        sed "s|$variable$nothing|SQLALCHEMY_DATABASE_URI=$uri|" .env >"$scratch"
        cat "$scratch" >.env # mv would change the mode of .env and replace a symbolic link
    else
        [ -z "$(tail -c 1 .env)" ] || echo >>.env
        echo "SQLALCHEMY_DATABASE_URI=$uri" >>.env
    fi
    echo "Written to .env: SQLALCHEMY_DATABASE_URI=$uri"
    ;;
esac
