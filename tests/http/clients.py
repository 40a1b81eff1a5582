"""Published clients, as their users write them, against a running server: URL KEY. Each says what it did on a line."""

import sys

import requests
from corehttp.exceptions import HttpResponseError
from cloudevents.http import CloudEvent, to_binary, to_structured
from lago_python_client import Client as Lago
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event
from openmeter import Client as OpenMeter

url, key = sys.argv[1:3]
attributes = {"type": "api_calls", "source": "py", "subject": "SUB-0001", "time": "2026-01-15T00:00:00Z"}

openmeter = OpenMeter(endpoint=url, token=key)
event = {"specversion": "1.0", "id": "om-1", **attributes, "data": {"total": 5}}
openmeter.events.ingest_event(event)
openmeter.events.ingest_event(event)
openmeter.events.ingest_events([{**event, "id": "om-2"}, {**event, "id": "om-3"}])
try:
    openmeter.events.ingest_event({**event, "id": "om-4", "subject": "nobody"})
    raise SystemExit("an unknown subject was taken")
except HttpResponseError as refused:
    assert refused.status_code == 400, refused
print("openmeter")

for id, encode in (("ce-1", to_binary), ("ce-2", to_structured)):
    headers, body = encode(CloudEvent({**attributes, "id": id}, {"total": 2}))
    headers["Authorization"] = f"Bearer {key}"
    answer = requests.post(f"{url}/api/v1/events", headers=headers, data=body, timeout=30)
    assert answer.status_code == 204, answer.text
print("cloudevents")

lago = Lago(api_key=key, api_url=f"{url}/lago/")
sent = Event(
    transaction_id="l-1",
    external_subscription_id="SUB-0001",
    code="api_calls",
    timestamp=1768435200,
    properties={"value": 3},
)
answer = lago.events.create(sent)
assert answer.transaction_id == "l-1" and answer.timestamp == "2026-01-15T00:00:00Z", answer
lago.events.batch_create(BatchEvent(events=[sent.copy(update={"transaction_id": "l-2"})]))
try:
    lago.events.create(sent.copy(update={"properties": {"value": 4}}))
    raise SystemExit("another content was taken under the same id")
except LagoApiError as refused:
    assert refused.status_code == 422, refused
print("lago")
