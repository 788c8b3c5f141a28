"""The section of a manifest that says where the data come from. It is optional."""

from pydantic import Field

from automm.config.schema import Section


class Published(Section):
    """A published result on the data set: method, metric, value and source."""

    method: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    value: float
    source: str = Field(min_length=1)


class Source(Section):
    """Origin, licence, size and download of the data set, and published results on it."""

    homepage: str | None = None
    licence: str | None = None
    citation: str | None = None
    size: str | None = None
    get: str | None = None
    published: tuple[Published, ...] = ()
