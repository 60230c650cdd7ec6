#!/bin/sh
# Build the images with docker, podman or buildah. Called by `make images`.
#   IMAGE_PREFIX    registry and path in front of /functions, /sidecar (sync-functions)
#   IMAGE_TAG       their tag (the project's version)
#   PYTHON_IMAGE    the base image, if not python:3.11-slim
#   IMAGES          which ones (functions sidecar; "development" is the third)
#   CONTAINER_TOOL  docker, podman or buildah, if more than one is installed
set -eu
cd "$(dirname "$0")/.."

tool=${CONTAINER_TOOL:-}
for candidate in docker podman buildah; do
    [ -n "$tool" ] || ! command -v "$candidate" >/dev/null 2>&1 || tool=$candidate
done
if [ -z "$tool" ]; then
    echo "No tool to build images: install docker, podman or buildah." >&2
    exit 1
fi
version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' common/__init__.py)
for image in ${IMAGES:-functions sidecar}; do
    name=${IMAGE_PREFIX:-sync-functions}/$image:${IMAGE_TAG:-$version}
    echo "Building $name with $tool ..."
    "$tool" build ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} --tag "$name" \
        --file "images/$image/Dockerfile" .
done
