"""The errors that a user can cause or meet, each with a message that says what to do."""


class AtariReplayError(Exception):
    """Base of every error that is a user's to mend; the command line prints it without a traceback."""


class UnknownNameError(AtariReplayError, ValueError):
    """A game, quality, config, run or checkpoint that does not exist."""


class SourceError(AtariReplayError):
    """A source that holds no such data, or that cannot be read."""


class MissingGameError(SourceError):
    """A game that a source does not hold."""


class CannotListError(SourceError):
    """A folder of which the server shows no listing; it may contain files nonetheless."""


class UnreachableError(SourceError):
    """A source that gives no answer for longer than anybody should wait."""


class ReplayLogError(SourceError):
    """A file of a replay log that is missing, damaged or not what its name says."""


class OutputError(AtariReplayError):
    """An output that cannot be written, or that holds something else already."""
