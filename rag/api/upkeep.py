"""Looking after an index: `pipeline.upkeep`."""

from collections.abc import Callable
from pathlib import Path

from indexes import build
from indexes.embedding import Progress
from indexes.models.embedder import EMBEDDED
from indexes.open import open_index, open_writer
from indexes.types import Calibration, Manifest
from indexes.upkeep import backup as backups
from indexes.upkeep import rebuild
from indexes.upkeep.check import Finding, check
from indexes.upkeep.compact import Compaction, compact
from indexes.upkeep.reembed import reembed
from indexes.upkeep.repair import Repair, repair
from indexes.upkeep.status import IndexStatus, status
from indexes.upkeep.upgrade import upgrade
from rag.api.loaded import Models


class Upkeep:
    """Looks after the index of one pipeline: sees what it is, keeps it whole, copies it, renews it."""

    def __init__(
        self, index: Path, models: Models, close: Callable[[], None], forget: Callable[[], None]
    ) -> None:
        """
        Args:
            index: folder of the index.
            close: closes the version of the index that the pipeline has open.
            forget: makes the pipeline open the last version when it is asked next; what reads the one that
                is open goes on.
        """
        self._index = index
        self._models = models
        self._close = close
        self._forget = forget

    def status(self) -> IndexStatus:
        """Counts of the index, and what it was built with; no model is loaded.

        Raises:
            IndexNotFound, IndexDamaged, IndexFormat.
        """
        return status(self._index)

    def check(self) -> tuple[int, list[Finding]]:
        """The version, and what is wrong with it: every byte is read.

        Raises:
            IndexNotFound, IndexFormat.
        """
        return check(self._index)

    def repair(self, progress: Callable[[str], Progress] = lambda _: lambda *_: None) -> Repair:
        """Make a damaged index whole from what is good in it; see `indexes.upkeep.repair.repair`."""
        self._close()
        models = self._models
        built = Manifest(models.embedder.identity, models.analyser.name, models.tokenizer.fingerprint)
        return repair(self._index, built, models.embedder, models.analyser, progress=progress)

    def compact(self, wait_seconds: float = 5.0, progress: Progress = lambda *_: None) -> Compaction:
        """Remove every trace of deleted documents from the files; see `indexes.upkeep.compact.compact`."""
        self._close()  # so that this pipeline reads no older version
        manifest = self._manifest()
        return compact(
            self._index, manifest, self._models.analyser, wait_seconds=wait_seconds, progress=progress
        )

    def backup(self, target: str | Path, progress: backups.Progress = lambda *_: None) -> int:
        """Copy the last version into the folder `target`, also while others write; returns the version.

        Raises:
            IndexNotFound, IndexDamaged.
            TargetExists: `target` is there and not empty.
            IndexUnwritable: no space or no permission there.
        """
        return backups.backup(self._index, Path(target), progress)

    def restore(
        self, source: str | Path, *, force: bool = False, progress: backups.Progress = lambda *_: None
    ) -> int:
        """Make this index what `source` is a backup of; see `indexes.upkeep.backup.restore`."""
        self._close()
        return backups.restore(Path(source), self._index, force=force, progress=progress)

    def upgrade(self, progress: Progress = lambda *_: None) -> tuple[str, bool]:
        """Bring an index of an older program to this one's.

        Returns:
            The format that it had; and whether terms or vectors were made anew, because another version of
            the analyser, or of the embedder that ships, had made them.
        """
        self._close()
        found = upgrade(self._index)
        renewed = rebuild.renew_terms(self._index, self._models.analyser, progress)
        built, embedder = self._manifest().embedder, self._models.embedder
        ships = built.name == embedder.identity.name == EMBEDDED
        if ships and not built.same_vectors(embedder.identity):
            self.reembed(progress)
            renewed = True
        return found, renewed

    def reembed(self, progress: Progress = lambda *_: None) -> int:
        """Give the index the vectors of the configured embedder; see `indexes.upkeep.reembed.reembed`."""
        self._close()
        version = reembed(self._index, self._models.embedder, progress=progress)
        self.calibrate()
        return version

    def calibrate(self) -> Calibration | None:
        """Measure anew how much the cosine is to count in this index, and whether the reranker helps.

        `ingest` does this where the index has changed much.

        Returns:
            None where the documents hold too little text to tell.
        """
        models = self._models
        manifest = Manifest(models.embedder.identity, self._manifest().analyser, models.tokenizer.fingerprint)
        with open_writer(self._index, manifest) as writer:
            found = build.recalibrate(writer, models.embedder, lambda: models.reranker, anew=True)
        self._forget()
        return found

    def _manifest(self) -> Manifest:
        """What the last version was built with."""
        reader = open_index(self._index, None, None)
        try:
            return reader.manifest
        finally:
            reader.close()
