"""Errors that end as one clear line for a person, whichever door they came through."""


class Refused(Exception):
    """What was asked cannot be done; the message says why and what to do next. Nothing was changed."""


class BadRequest(Refused):
    """The request itself is wrong: an unknown filter, a broken cursor."""


class Conflict(Refused):
    """The thing changed meanwhile, or stands already."""


class CorruptData(Exception):
    """What is stored is missing, or not what was recorded of it: the database was damaged or changed by hand."""
