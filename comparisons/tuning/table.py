"""The table of a recipe that says what a sweep varies."""

from pydantic import BaseModel, ConfigDict


class TuneTable(BaseModel):
    """What a sweep varies."""

    model_config = ConfigDict(extra="forbid", frozen=True)
