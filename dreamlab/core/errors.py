"""Errors that a person can act on: what went wrong, what was expected, what was got, how to mend it."""


class DreamlabError(Exception):
    """A failure that the user can mend. Shown as one plain line; exit code 2.

    Args:
        what: what went wrong, one clause, no full stop.
        expected: what would have been right.
        got: what was there instead.
        mend: the next thing to try, as an imperative.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", mend: str = "") -> None:
        self.what, self.expected, self.got, self.mend = what, expected, got, mend
        super().__init__(str(self))

    def __str__(self) -> str:
        line = self.what
        if self.expected:
            line += f"; expected {self.expected}"
        if self.got:
            line += f", got {self.got}" if self.expected else f"; got {self.got}"
        return f"{line}. {self.mend}".rstrip(". ") + "."


class ConfigError(DreamlabError):
    """A preset, config file, key or value that cannot be used."""


class InputError(DreamlabError):
    """A prompt, mesh, image or folder given by the user that cannot be used."""


class UnavailableError(DreamlabError):
    """Something asked for by name that this machine lacks: a device, a package, a model, a kernel."""


class DamagedError(DreamlabError):
    """A file that was written before and cannot be trusted now: checkpoint, weights, mesh."""
