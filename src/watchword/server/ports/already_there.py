"""The refusal of a name that is taken."""


class AlreadyThere(Exception):
    """The name or id is taken. ``what`` says which: ``username``, ``client``, ``api``, ``role``, ``passkey``.

    Nothing was written by the call that raised it, and the transaction may go on.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"this {what} is taken")
        self.what = what
