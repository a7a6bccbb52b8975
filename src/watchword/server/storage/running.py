"""What runs the steps of a transaction."""

from typing import Protocol, TypeVar

from watchword.server.storage.statement import Steps

T = TypeVar("T")


class Run(Protocol):
    """Runs steps inside the transaction."""

    async def __call__(self, steps: Steps[T], /) -> T:
        """The result of ``steps``."""
        ...
