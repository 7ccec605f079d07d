"""Jobs in SQLite or PostgreSQL: one row per job with its record as JSON, one row per file."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.jobs.job import Job, QueueFull, State
from pose_core.errors import InvalidInput

LOCK_TIMEOUT_S = 20
"""How long one writer waits for another; a change takes milliseconds."""

CREATE_ATTEMPTS = 4

_TABLES = MetaData()

_JOBS = Table(
    "skelmap_jobs",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("owner", String(255), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("record", Text, nullable=False),
)

_FILES = Table(
    "skelmap_files",
    _TABLES,
    Column("job", ForeignKey(_JOBS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

_ARRIVALS = Table(
    "skelmap_arrivals", _TABLES, Column("id", Integer, primary_key=True), Column("number", BigInteger, nullable=False)
)
"""One row: the number of the newest job. Who adds a job changes it first, so that one at a time looks for room."""


class SqlStore:
    """A `JobStore` in a database that SQLAlchemy knows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, job: Job, files: Mapping[str, bytes], max_waiting: int) -> Job:
        """See `JobStore.add`."""
        with self._engine.begin() as connection:
            arrival = update(_ARRIVALS).values(number=_ARRIVALS.c.number + 1).returning(_ARRIVALS.c.number)
            number = connection.execute(arrival).scalar_one()
            waiting = select(func.count()).where(_JOBS.c.state == "queued")
            if (count := connection.execute(waiting).scalar_one()) >= max_waiting:
                raise QueueFull(count)
            added = job.model_copy(update={"number": number})
            connection.execute(insert(_JOBS).values(id=added.id, number=number, **_columns(added)))
            _write_files(connection, added.id, files)
        return added

    def get(self, job_id: str) -> Job | None:
        """See `JobStore.get`."""
        with self._engine.connect() as connection:
            record = connection.execute(select(_JOBS.c.record).where(_JOBS.c.id == job_id)).scalar_one_or_none()
        return None if record is None else Job.model_validate_json(record)

    def swap(self, old: Job, new: Job, files: Mapping[str, bytes]) -> bool:
        """See `JobStore.swap`."""
        with self._engine.begin() as connection:
            unchanged = (_JOBS.c.id == old.id) & (_JOBS.c.revision == old.revision)
            if connection.execute(update(_JOBS).where(unchanged).values(**_columns(new))).rowcount != 1:
                return False
            _drop_files(connection, old.id, (old.files.keys() - new.files.keys()) | files.keys())
            _write_files(connection, old.id, files)
        return True

    def in_states(self, *states: State) -> list[Job]:
        """See `JobStore.in_states`."""
        chosen = select(_JOBS.c.record).where(_JOBS.c.state.in_(states)).order_by(_JOBS.c.number)
        with self._engine.connect() as connection:
            return [Job.model_validate_json(record) for record in connection.execute(chosen).scalars()]

    def of_owner(self, owner: str, limit: int) -> list[Job]:
        """See `JobStore.of_owner`."""
        chosen = select(_JOBS.c.record).where(_JOBS.c.owner == owner).order_by(_JOBS.c.number.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [Job.model_validate_json(record) for record in connection.execute(chosen).scalars()]

    def read(self, job_id: str, name: str) -> bytes | None:
        """See `JobStore.read`."""
        chosen = select(_FILES.c.data).where(_FILES.c.job == job_id, _FILES.c.name == name)
        with self._engine.connect() as connection:
            return connection.execute(chosen).scalar_one_or_none()

    def remove(self, job_id: str) -> None:
        """See `JobStore.remove`."""
        with self._engine.begin() as connection:
            connection.execute(delete(_FILES).where(_FILES.c.job == job_id))
            connection.execute(delete(_JOBS).where(_JOBS.c.id == job_id))

    def close(self) -> None:
        """See `JobStore.close`."""
        self._engine.dispose()


def open_store(url: str) -> SqlStore:
    """The store in a database, whose tables are made where they are missing.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        InvalidInput: it is no URL, or the database cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput("expected a URL such as sqlite:////path/to/jobs.db", field="SKELMAP_JOBS_URL") from error
    try:
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
        _make_tables(engine)
    except (DBAPIError, OSError) as error:
        shown = parsed.render_as_string(hide_password=True)
        reason = f"the job store cannot be used: {error.orig if isinstance(error, DBAPIError) else error}"
        raise InvalidInput(reason, field="SKELMAP_JOBS_URL", value=shown) from error
    return SqlStore(engine)


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidInput("needs a file: sqlite:////path/to/jobs.db", field="SKELMAP_JOBS_URL")
    path = Path(url.database).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # photos and prompts are nobody else's business
    engine = create_engine(url.set(database=str(path)), connect_args={"timeout": LOCK_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def configure(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # of whichever driver
        cursor.execute("PRAGMA auto_vacuum=FULL")  # what is forgotten gives its room back
        cursor.execute("PRAGMA journal_mode=WAL")  # who reads does not wait for who writes
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _postgresql(url: URL) -> Engine:
    driver = url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    return create_engine(driver, pool_pre_ping=True)  # a server that was restarted is no error


def _make_tables(engine: Engine) -> None:
    """Make what is missing, again where another process made some of it at the same time."""
    engine.connect().close()
    for _ in range(CREATE_ATTEMPTS):
        with suppress(DBAPIError):
            return _create(engine)
    return _create(engine)


def _create(engine: Engine) -> None:
    _TABLES.create_all(engine)
    with engine.begin() as connection:
        if connection.execute(select(_ARRIVALS.c.number)).first() is None:
            connection.execute(insert(_ARRIVALS).values(id=1, number=0))


def _columns(job: Job) -> dict[str, object]:
    return {"owner": job.owner, "state": job.state, "revision": job.revision, "record": job.model_dump_json()}


def _drop_files(connection: Connection, job_id: str, names: Iterable[str]) -> None:
    if chosen := sorted(names):
        connection.execute(delete(_FILES).where(_FILES.c.job == job_id, _FILES.c.name.in_(chosen)))


def _write_files(connection: Connection, job_id: str, files: Mapping[str, bytes]) -> None:
    if files:
        rows = [{"job": job_id, "name": name, "data": data} for name, data in files.items()]
        connection.execute(insert(_FILES), rows)
