"""Jobs in Redis: one string per job with its record as JSON, one hash with its files, sorted sets as indices."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from app.jobs.job import Job, QueueFull, State
from pose_core.errors import InvalidInput

_ARRIVALS = "skelmap:arrivals"


def _job(job_id: str) -> str:
    return f"skelmap:job:{job_id}"


def _files(job_id: str) -> str:
    return f"skelmap:files:{job_id}"


def _state(state: State) -> str:
    return f"skelmap:state:{state}"


def _owner(owner: str) -> str:
    return f"skelmap:owner:{owner}"


class RedisStore:
    """A `JobStore` in a Redis server.

    Every write is a transaction that Redis drops if a key it was decided by has changed meanwhile; then it is decided
    again.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its annotations are those of the synchronous and of the asyncio client together

    def add(self, job: Job, files: Mapping[str, bytes], max_waiting: int) -> Job:
        """See `JobStore.add`."""

        def adding(pipe: Any) -> Job:  # noqa: ANN401 - see __init__
            waiting = pipe.zcard(_state("queued"))
            if waiting >= max_waiting:
                raise QueueFull(waiting)
            added = job.model_copy(update={"number": int(pipe.get(_ARRIVALS) or 0) + 1})
            pipe.multi()
            pipe.set(_ARRIVALS, added.number)
            pipe.zadd(_owner(added.owner), {added.id: added.number})
            _write(pipe, added, files)
            return added

        return self._transaction(adding, _ARRIVALS, _state("queued"))

    def get(self, job_id: str) -> Job | None:
        """See `JobStore.get`."""
        record = self._redis.get(_job(job_id))
        return None if record is None else Job.model_validate_json(record)

    def swap(self, old: Job, new: Job, files: Mapping[str, bytes]) -> bool:
        """See `JobStore.swap`."""

        def swapping(pipe: Any) -> bool:  # noqa: ANN401 - see __init__
            record = pipe.get(_job(old.id))
            if record is None or Job.model_validate_json(record).revision != old.revision:
                return False
            pipe.multi()
            pipe.zrem(_state(old.state), old.id)
            if dropped := old.files.keys() - new.files.keys():
                pipe.hdel(_files(old.id), *dropped)
            _write(pipe, new, files)
            return True

        return self._transaction(swapping, _job(old.id))

    def in_states(self, *states: State) -> list[Job]:
        """See `JobStore.in_states`."""
        jobs = [job for state in states for job in self._jobs(self._redis.zrange(_state(state), 0, -1))]
        return sorted((job for job in jobs if job.state in states), key=lambda job: job.number)

    def of_owner(self, owner: str, limit: int) -> list[Job]:
        """See `JobStore.of_owner`."""
        return self._jobs(self._redis.zrevrange(_owner(owner), 0, limit - 1))

    def read(self, job_id: str, name: str) -> bytes | None:
        """See `JobStore.read`."""
        data: bytes | None = self._redis.hget(_files(job_id), name)
        return data

    def remove(self, job_id: str) -> None:
        """See `JobStore.remove`."""

        def removing(pipe: Any) -> None:  # noqa: ANN401 - see __init__
            record = pipe.get(_job(job_id))
            pipe.multi()
            pipe.delete(_job(job_id), _files(job_id))
            if record is not None:
                job = Job.model_validate_json(record)
                pipe.zrem(_state(job.state), job_id)
                pipe.zrem(_owner(job.owner), job_id)

        self._transaction(removing, _job(job_id))

    def close(self) -> None:
        """See `JobStore.close`."""
        self._redis.close()

    def _jobs(self, ids: list[bytes]) -> list[Job]:
        records = self._redis.mget([_job(job_id.decode()) for job_id in ids]) if ids else []
        return [Job.model_validate_json(record) for record in records if record is not None]

    def _transaction(self, deciding: Any, *keys: str) -> Any:  # noqa: ANN401 - see __init__
        return self._redis.transaction(deciding, *keys, value_from_callable=True)


def open_store(url: str) -> RedisStore:
    """The store in a Redis server.

    Args:
        url: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss` with TLS.

    Raises:
        InvalidInput: it is no URL, or the server does not answer.
    """
    try:
        redis = Redis.from_url(url)
        redis.ping()
    except (RedisError, ValueError) as error:
        raise InvalidInput(f"the job store cannot be used: {error}", field="SKELMAP_JOBS_URL") from error
    return RedisStore(redis)


def _write(pipe: Any, job: Job, files: Mapping[str, bytes]) -> None:  # noqa: ANN401 - see RedisStore
    pipe.set(_job(job.id), job.model_dump_json())
    pipe.zadd(_state(job.state), {job.id: job.number})
    if files:
        pipe.hset(_files(job.id), mapping=dict(files))
