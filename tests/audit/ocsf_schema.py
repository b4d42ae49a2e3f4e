"""What OCSF 1.6.0 asks of the events that are exported, written down by hand: no more of the schema is needed."""

from typing import Any, Final

_BASE_REQUIRED: Final = {
    "class_uid": int, "category_uid": int, "activity_id": int, "type_uid": int, "time": int, "severity_id": int,
    "metadata": dict,
}  # fmt: skip
_BASE_ALLOWED: Final = {"class_name", "status_id", "message", "unmapped"}
# {class: (category, required, allowed besides, activities)}
_CLASSES: Final[dict[int, tuple[int, set[str], set[str], set[int]]]] = {
    3001: (3, {"user"}, {"actor"}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99}),
    3002: (3, {"user"}, {"actor", "service", "dst_endpoint"}, {0, 1, 2, 3, 4, 5, 6, 7, 99}),
    6003: (6, {"actor", "api", "src_endpoint"}, {"resources"}, {0, 1, 2, 3, 4, 99}),
}
_SEVERITIES: Final = {0, 1, 2, 3, 4, 5, 6, 99}
_USER_KEYS: Final = {"name", "uid", "type_id", "type", "email_addr", "full_name"}
_ENDPOINT_KEYS: Final = {"ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid"}


def problems_of(event: dict[str, Any]) -> list[str]:
    found = [
        f"{name} is missing or no {kind.__name__}"
        for name, kind in _BASE_REQUIRED.items()
        if type(event.get(name)) is not kind
    ]
    if found:
        return found
    if event["class_uid"] not in _CLASSES:
        return [f"class {event['class_uid']}"]
    category, required, allowed, activities = _CLASSES[event["class_uid"]]
    found += [f"{name} is missing" for name in required if not event.get(name)]
    known = {*_BASE_REQUIRED, *_BASE_ALLOWED, *required, *allowed}
    found += [f"{name} is no attribute" for name in event.keys() - known]
    if event["category_uid"] != category:
        found.append("category_uid")
    if event["activity_id"] not in activities:
        found.append("activity_id")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid")
    if event["severity_id"] not in _SEVERITIES:
        found.append("severity_id")
    if event.get("status_id", 0) not in {0, 1, 2, 99}:
        found.append("status_id")
    return found + _metadata(event["metadata"]) + _objects(event)


def _metadata(metadata: dict[str, Any]) -> list[str]:
    found = [] if metadata.get("version") == "1.6.0" else ["metadata.version"]
    product = metadata.get("product", {})
    return found if product.get("name") or product.get("uid") else [*found, "metadata.product"]


def _objects(event: dict[str, Any]) -> list[str]:
    found = []
    if "actor" in event and not event["actor"].keys() & {"user", "process", "session", "idp", "invoked_by"}:
        found.append("actor names nobody")
    for user in (event.get("user"), event.get("actor", {}).get("user")):
        if user is not None and (not (user.get("name") or user.get("uid")) or user.keys() - _USER_KEYS):
            found.append("user")
    if event["class_uid"] == 3002 and not event.keys() & {"service", "dst_endpoint"}:
        found.append("neither service nor dst_endpoint")
    if event["class_uid"] == 6003:
        if not event["api"].get("operation"):
            found.append("api.operation")
        if not event["src_endpoint"].keys() & _ENDPOINT_KEYS:
            found.append("src_endpoint")
    return found
