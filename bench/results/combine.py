"""Several studies as one: of several grids, or of one grid on several machines.

A method is known by what it trains, not by its name. What two studies train alike is
one method, under its first name, and a model that both have counts once. A name that
two studies give to different things is followed by the study.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from priorbench.bench.results.load import compare_seeds, load_result, load_results
from priorbench.bench.results.manifest import Entry, Manifest, read_manifest
from priorbench.bench.results.result import Result
from priorbench.bench.results.store import Store
from priorbench.bench.study.identity import encode_json

log = logging.getLogger("priorbench")


def load_studies(folders: Sequence[Path]) -> tuple[Manifest, list[Result]]:
    """Load studies as one, with the runs that are done.

    Where two studies score with one metric in two ways, the first study's way is shown,
    and a warning names the other. Of a run that several have, the one that finished
    counts, and of these the one with the most scores.

    Args:
        folders: of the studies, ``runs/<grid>`` each.

    Returns:
        The manifest of all, and the results in its order.

    Raises:
        UserError: a study has no manifest, or it is damaged.
    """
    manifests = [read_manifest(folder) for folder in folders]
    if len(folders) == 1:
        return manifests[0], load_results(folders[0], manifests[0])
    studies = name_studies(folders)
    keys, notes = merge_scores(studies, manifests)
    for note in notes:
        log.warning("%s", note)
    profile = ", ".join(dict.fromkeys(m.profile for m in manifests))
    entries: dict[str, Entry] = {}
    results: dict[str, Result] = {}
    names: dict[str, str] = {}  # of a configuration
    for study, folder, manifest in zip(studies, folders, manifests, strict=True):
        asked = manifest.model_copy(update={"scores": keys})
        store, found = Store(folder.parent), dict(names)
        for method, group in groupby(manifest.models, lambda entry: entry.method):
            members = list(group)
            loaded = [load_result(store, asked, entry) for entry in members]
            done = [result for result in loaded if result is not None]
            trained = _identify_training(done[0]) if done else ""
            name = names.get(trained, method)
            if trained and trained not in names and method in names.values():
                name = f"{method} ({study})"
            found.setdefault(trained, name)
            for entry in members:
                renamed = entry.model_copy(update={"method": name})
                entries.setdefault(entry.id, renamed)
            for result in done:
                entry = entries[result.id]
                joined = replace(result, entry=entry, profile=profile)
                earlier = results.get(result.id, joined)
                results[result.id] = max(earlier, joined, key=_rank_completeness)
        names = {key: name for key, name in found.items() if key}
    chance = {manifest.chance for manifest in manifests}
    commands = [m.provenance.command for m in manifests if m.provenance.command]
    provenance = manifests[0].provenance
    combined = Manifest(
        grid=" + ".join(dict.fromkeys(manifest.grid for manifest in manifests)),
        profile=profile,
        precision=", ".join(dict.fromkeys(m.precision for m in manifests)),
        description="; ".join([f"{_join_words(studies)} together", *notes]),
        models=_order_entries(entries.values()),
        scores=keys,
        chance=chance.pop() if len(chance) == 1 else None,
        written=max(manifest.written for manifest in manifests),
        provenance=provenance.model_copy(update={"command": "; ".join(commands)}),
        text="\n".join(dict.fromkeys(manifest.text for manifest in manifests)),
    )
    ordered = [results[e.id] for e in combined.models if e.id in results]
    return combined, compare_seeds(ordered)


def name_studies(folders: Sequence[Path]) -> list[str]:
    """Return a name for each study: as much of its path as tells it from the others.

    Example:
        >>> name_studies([Path("a/dsprites_beta"), Path("b/dsprites_beta")])
        ['a/dsprites_beta', 'b/dsprites_beta']
    """
    resolved = [folder.resolve() for folder in folders]
    for depth in range(1, 1 + min(len(path.parts) for path in resolved)):
        names = ["/".join(path.parts[-depth:]) for path in resolved]
        if len(set(names)) == len(set(resolved)):
            break
    return names


def merge_scores(
    studies: Sequence[str], manifests: Sequence[Manifest]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the keys of the scores of all studies, and a note for each way left out.

    Args:
        studies: their names.
        manifests: of the studies.
    """
    chosen: dict[str, list[str]] = {}
    notes = []
    for study, manifest in zip(studies, manifests, strict=True):
        own: dict[str, list[str]] = {}
        for key in manifest.scores:
            own.setdefault(key.rpartition("-")[0] or key, []).append(key)
        for metric, keys in own.items():
            if chosen.setdefault(metric, keys) != keys:
                notes.append(
                    f"{metric} of {study} is computed in another way than that of the "
                    "studies before it, and only theirs is shown"
                )
    return tuple(key for keys in chosen.values() for key in keys), notes


def _identify_training(result: Result) -> str:
    """Return all that the training depends on but β and seed."""
    model = result.model
    return encode_json([model.config, model.precision, model.training_version])


def _rank_completeness(result: Result) -> tuple[bool, int]:
    """Return a key that is higher for what finished and has more scores."""
    done = len(result.records) - len(result.failed_scores)
    return result.status == "finished", done


def _order_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries method by method, in the order of first appearance."""
    methods: dict[str, list[Entry]] = {}
    for entry in entries:
        methods.setdefault(entry.method, []).append(entry)
    return tuple(entry for group in methods.values() for entry in group)


def _join_words(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
