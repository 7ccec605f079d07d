"""Asks a Skelmap server for poses and skeleton maps, from threads (`Client`) or from asyncio (`AsyncClient`)."""

from skelmap_client.asynchronous import AsyncClient
from skelmap_client.client import Client
from skelmap_client.errors import (
    Finding,
    InvalidDocument,
    InvalidPhoto,
    InvalidRequest,
    InvalidServer,
    KeyRefused,
    NotReachable,
    PhotoRefused,
    RequestFailed,
    ServerFailed,
    SkelmapError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
)
from skelmap_client.photos import Photo
from skelmap_client.results import Person, PoseAnswer
from skelmap_client.retries import Retries

__all__ = [
    "AsyncClient",
    "Client",
    "Finding",
    "InvalidDocument",
    "InvalidPhoto",
    "InvalidRequest",
    "InvalidServer",
    "KeyRefused",
    "NotReachable",
    "Person",
    "Photo",
    "PhotoRefused",
    "PoseAnswer",
    "RequestFailed",
    "Retries",
    "ServerFailed",
    "SkelmapError",
    "TimedOut",
    "Unavailable",
    "UnexpectedAnswer",
]
