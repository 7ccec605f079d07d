"""How far a batch is: photos done, their rate and when it will end."""

from collections.abc import Sequence

from tqdm import tqdm

from app.batch.crews.crew import Event, Seen
from app.batch.manifest import Row
from app.batch.plan import LooseShard, Shard
from app.batch.worker import Done


class Progress:
    """A bar over photos, on terminals only.

    How many photos archives hold is known when they have been read; until then it is reckoned from those that have.
    """

    def __init__(self, todo: Sequence[Shard]) -> None:
        self._shards = len(todo)
        self._under_way: dict[str, int] = {}
        self._rows: list[Row] = []
        known = all(isinstance(shard, LooseShard) for shard in todo)
        self._total = sum(len(shard.photos) for shard in todo if isinstance(shard, LooseShard)) if known else None
        self._bar = tqdm(total=self._total, unit="photo", disable=None, smoothing=0.05)

    def tell(self, event: Event) -> None:
        """Something has happened."""
        shard, what = event
        if isinstance(what, Seen):
            self._under_way[shard.name] = what.photos
        else:
            self._under_way.pop(shard.name, None)
            self._rows += [what.row] if isinstance(what, Done) else []
        finished = sum(row.photos for row in self._rows)
        if self._total is None and self._rows:
            self._bar.total = round(finished * self._shards / len(self._rows))
        self._bar.set_postfix(shards=f"{len(self._rows)}/{self._shards}", refresh=False)
        self._bar.update(finished + sum(self._under_way.values()) - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
