"""The record of a run: what was made from what, by which node with which parameters (W3C PROV, as PROV-JSON)."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from datprl_nodes.tasks import Given
from datprl_toolkit import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from datprl_nodes.checking import Plan
    from datprl_nodes.store import Result
    from datprl_nodes.tasks import Made, Task, Work

PREFIXES = {
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "datprl": "urn:datprl-toolkit:",
}
SOFTWARE = "datprl:datprl-toolkit"


def provenance_json(plan: Plan, work: Work, results: Mapping[str, Result], kept: Collection[str]) -> str:
    """Return the record as JSON; it names no path of the machine.

    Parameters
    ----------
    plan, work
        The workflow and its tasks.
    results
        Of the tasks that were needed.
    kept
        Names of the tasks whose result was there already.
    """
    document: dict[str, Any] = {
        "prefix": PREFIXES,
        "agent": {SOFTWARE: {"prov:type": _name("prov:SoftwareAgent"), "datprl:version": __version__}},
        "activity": {},
        "entity": {},
        "used": {},
        "wasGeneratedBy": {},
        "wasAssociatedWith": {},
        "wasDerivedFrom": {},
    }
    document["entity"]["datprl:workflow"] = {"prov:type": _name("prov:Plan"), "prov:label": plan.workflow.name}
    for name, files in work.given.items():
        for item, given in files.items():
            label = f"{name}: {item}" if item else name
            document["entity"][_input(name, item)] = {"prov:label": label, "datprl:sha256": given.digest}
    for name, result in results.items():
        _add_task(document, work, work.tasks[name], result, name in kept)
    for target, made in work.outputs.items():
        output = f"datprl:output-{_word(target)}"
        document["entity"][output] = {"prov:label": target}
        _relate(document, "wasDerivedFrom", **{"prov:generatedEntity": output, "prov:usedEntity": _result(made)})
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _add_task(document: dict[str, Any], work: Work, task: Task, result: Result, kept: bool) -> None:
    activity = f"datprl:step-{_word(task.name)}"
    node, parameters = task.step.node, task.step.node.model_dump(mode="json")
    begun = datetime.fromisoformat(result.started)
    document["activity"][activity] = {
        "prov:label": task.name,
        "prov:startTime": begun.isoformat(),
        "prov:endTime": (begun + timedelta(seconds=result.seconds)).isoformat(),
        "datprl:node": task.step.node_name,
        "datprl:kept": kept,
        "datprl:key": task.key,
        **{f"datprl:parameter-{name}": _without_path(value) for name, value in parameters.items() if value is not None},
        **{f"datprl:{name}-sha256": value for name, value in node.fingerprint().items() if len(value) == 64},
        **({"datprl:warning": list(result.warnings)} if result.warnings else {}),
    }
    _relate(
        document,
        "wasAssociatedWith",
        **{"prov:activity": activity, "prov:agent": SOFTWARE, "prov:plan": "datprl:workflow"},
    )
    for port, (kind, _) in result.outputs.items():
        entity = f"datprl:result-{_word(f'{task.name}.{port}')}"
        document["entity"][entity] = {
            "prov:label": f"{task.name}.{port}", "datprl:type": kind, "datprl:sha256": result.digest,
        }  # fmt: skip
        _relate(document, "wasGeneratedBy", **{"prov:entity": entity, "prov:activity": activity})
    for port, sources in task.inputs.items():
        for source in sources:
            used = _given(work, source) if isinstance(source, Given) else _result(source)
            _relate(document, "used", **{"prov:activity": activity, "prov:entity": used, "prov:role": port})


def _relate(document: dict[str, Any], kind: str, **members: str) -> None:
    document[kind][f"_:{kind}{len(document[kind]) + 1}"] = members


def _given(work: Work, source: Given) -> str:
    for name, files in work.given.items():
        for item, given in files.items():
            if given is source:
                return _input(name, item)
    raise KeyError(source.digest)


def _input(name: str, item: str) -> str:
    return f"datprl:input-{_word(f'{name}.{item}' if item else name)}"


def _result(made: Made) -> str:
    return f"datprl:result-{_word(f'{made.task}.{made.port}')}"


def _name(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _word(name: str) -> str:
    """Return a name of letters that a qualified name may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")


def _without_path(value: Any) -> Any:
    """Leave of a path its last part: where a machine keeps its weights is nobody's concern."""
    if isinstance(value, str) and ("/" in value or "\\" in value):
        return PurePath(value.replace("\\", "/")).name
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)
