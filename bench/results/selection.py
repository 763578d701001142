"""Which records count: the newest runs of each study."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from priorbench.bench.results.store import Record
from priorbench.bench.study.beta import Beta
from priorbench.bench.study.identity import encode_json

log = logging.getLogger("priorbench")


def get_moment(record: Record) -> tuple[datetime, str]:
    """Return when a record was written, and its id: an order in time without ties."""
    created = datetime.fromisoformat(record.created)
    if created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return created, record.id


def number_methods(records: Iterable[Record]) -> dict[str, int]:
    """Assign numbers to the methods in the order in which they first appear in time.

    A method that is added to a grid later comes last and leaves the others' numbers as
    they are. Methods first written in the same second are ordered by name.

    Returns:
        Numbers from 0 by method, in ascending order.
    """
    first: dict[str, datetime] = {}
    for record in records:
        moment, _ = get_moment(record)
        first[record.method] = min(moment, first.get(record.method, moment))
    ordered = sorted(first, key=lambda method: (first[method], method))
    return {method: number for number, method in enumerate(ordered)}


def select_newest(records: list[Record]) -> list[Record]:
    """Return the records that count, those of one study under one profile's name.

    A study is what is held fixed: all of the configuration but prior and objective.
    Profiles that differ in seeds or β only are one study and share its runs, under the
    name of the newest. Of several studies with one name, and of several configurations
    of one method and β, the newest counts: the grid's file, the precision or a plug-in
    was changed between the runs, and counting them together would mix methods and make
    more seeds than there are. A warning gives the number of records that are left out.
    """
    profiles: dict[str, str] = {}
    studies: dict[str, str] = {}
    configurations: dict[tuple[str, str, Beta], str] = {}
    for record in sorted(records, key=get_moment):
        study = _encode_study(record)
        profiles[study] = record.profile
        studies[record.profile] = study
        setting = (study, record.method, record.beta)
        configurations[setting] = _encode_configuration(record)
    kept = []
    for record in records:
        study = _encode_study(record)
        profile = profiles[study]
        newest = configurations[study, record.method, record.beta]
        if studies[profile] == study and newest == _encode_configuration(record):
            kept.append(record.model_copy(update={"profile": profile}))
    if len(kept) < len(records):
        log.warning(
            "%d of %d runs share profile, method and beta with newer runs of another "
            "configuration; statistics and figures leave them out, runs.csv has them",
            len(records) - len(kept),
            len(records),
        )
    return kept


def _encode_study(record: Record) -> str:
    varied = ("prior", "objective", "sources")
    fixed = {key: value for key, value in record.config.items() if key not in varied}
    return record.precision + encode_json(fixed)


def _encode_configuration(record: Record) -> str:
    return record.precision + encode_json(record.config)
