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

    Attributes:
        total: photos there are; None where nothing is known yet.
    """

    def __init__(self, todo: Sequence[Shard]) -> None:
        self._shards = len(todo)
        self._under_way: dict[str, int] = {}
        self._rows: list[Row] = []
        known = all(isinstance(shard, LooseShard) for shard in todo)
        self.total = sum(len(shard.photos) for shard in todo if isinstance(shard, LooseShard)) if known else None
        self._known = known
        self._bar = tqdm(total=self.total, unit="photo", disable=None, smoothing=0.05)

    def tell(self, event: Event) -> None:
        """Something has happened."""
        shard, what = event
        if isinstance(what, Seen):
            self._under_way[shard.name] = what.photos
        else:
            self._under_way.pop(shard.name, None)
            self._rows += [what.row] if isinstance(what, Done) else []
        if not self._known and self._rows:
            self.total = round(self._finished * self._shards / len(self._rows))
            self._bar.total = self.total
        self._bar.set_postfix(shards=f"{len(self._rows)}/{self._shards}", refresh=False)
        self._bar.update(self.photos - self._bar.n)

    @property
    def photos(self) -> int:
        """How many are done, those of unfinished shards included."""
        return self._finished + sum(self._under_way.values())

    @property
    def _finished(self) -> int:
        return sum(row.photos for row in self._rows)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
