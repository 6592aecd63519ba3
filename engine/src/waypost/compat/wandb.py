"""What `wandb.Run.log_artifact` and `use_artifact` write in the end, without the questions before it.

Seen with wandb 0.31 (decision 0020). Both ask the server first: the one loses what it should log where that
is gone, the other refuses to work offline and waits for the upload online.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wandb import Artifact, Run


def publish(run: Run, artifact: Artifact, aliases: Sequence[str], *, used: bool) -> None:
    """Writes into a run's file that it made, or used, an artifact; the server takes it when it gets it."""
    artifact.finalize()
    interface: Any = run._interface
    interface.publish_artifact(run, artifact, list(aliases), is_user_created=used, use_after_commit=used)
