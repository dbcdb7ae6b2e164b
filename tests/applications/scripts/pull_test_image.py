"""Exits with 1 and a reason if no container of the test image can be started, which pulling the image shows."""

import os
import sys

import docker
from docker.errors import DockerException, ImageNotFound

image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18-alpine")
try:
    client = docker.from_env()
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)
except DockerException as error:
    sys.exit(f"{type(error).__name__}: {error}")
