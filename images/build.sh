#!/bin/sh
# Build the images with docker, podman or buildah. Called by `make images`.
#   IMAGE_PREFIX    registry and path in front of /functions, /sidecar (sync-functions)
#   IMAGE_TAG       their tag (the project's version)
#   PYTHON_IMAGE    the base image, if not python:3.11-slim; with @sha256:... exactly that one
#   IMAGES          which ones (functions sidecar; "development" is the third)
#   CONTAINER_TOOL  docker, podman or buildah, whether or not another one works too
set -eu
cd "$(dirname "$0")/.."

# A client alone builds nothing: docker, and podman where it is a remote one, need what they call.
works() {
    command -v "$1" >/dev/null 2>&1 || return 1
    [ "$1" = buildah ] || "$1" version >/dev/null 2>&1
}

tool=${CONTAINER_TOOL:-}
for candidate in docker podman buildah; do
    [ -n "$tool" ] || ! works "$candidate" || tool=$candidate
done
if [ -z "$tool" ]; then
    if command -v docker >/dev/null 2>&1; then
        echo "docker is installed, but no daemon answers it (docker version): start one, or install podman or buildah." >&2
    else
        echo "No tool to build images: install docker, podman or buildah." >&2
    fi
    exit 1
fi
version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' common/__init__.py)
for image in ${IMAGES:-functions sidecar}; do
    name=${IMAGE_PREFIX:-sync-functions}/$image:${IMAGE_TAG:-$version}
    echo "Building $name with $tool ..."
    "$tool" build ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} --build-arg "VERSION=$version" \
        --tag "$name" --file "images/$image/Dockerfile" .
done
