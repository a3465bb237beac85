"""What schemathesis does not know of this API: who calls, on what, and how an operation comes to succeed.

The world that it is given (a file named in BELLBUOY_CONFORMANCE_WORLD) was made by tests/harness/surface: a project with
one of everything, the bodies that its operations took, and the table of docs/users/authorization.md, which says who may.

Whatever ends what it is called with is given something that nobody else needs: somebody new with a session of their own,
or something new to act upon. So no call saws off the branch that the next one sits on.
"""

import atexit
import base64
import hmac
import json
import os
import pathlib
import random
import re
import struct
import threading
import time

import requests
import schemathesis
from schemathesis.transport.serialization import Binary

# How an operation comes to succeed whose body can't be known beforehand: its id, and what makes the body. `somebody` is a
# new account that is logged in, with its `email`, `refresh` token, `access` token, and the ids of `user` and `project`. Add
# a line here when an operation never succeeds.
BODIES = {
    "login": lambda somebody: {"project": WORLD["slug"], "email": somebody["email"], "password": WORLD["password"]},
    "refresh": lambda somebody: {"refresh_token": somebody["refresh"]},
    "change_password": lambda somebody: {
        "old_password": WORLD["password"],
        "new_password": "another one that is long enough",
    },
    "update_me": lambda somebody: {"full_name": "Some Body Else"},
    "update_user": lambda somebody: {"full_name": "Some Body Else"},
    "approve_user": lambda somebody: {"roles": ["member"]},
    "register": lambda somebody: registration(),
    "confirm_registration": lambda somebody: {"token": mailed(register(), "bbg_"), "password": WORLD["password"]},
    "verify_email": lambda somebody: {"token": unproved(somebody)},
    "change_email": lambda somebody: {"email": f"{fresh('address')}@example.com", "password": WORLD["password"]},
    "reset_password": lambda somebody: {"token": forgotten(somebody), "new_password": "another one that is long enough"},
    "accept_invitation": lambda somebody: {"token": invited(), "password": WORLD["password"], "full_name": "Some Body"},
    "confirm_second_factor": lambda somebody: {"code": totp(enrol(somebody))},
    "renew_backup_codes": lambda somebody: {"password": WORLD["password"], "code": backup_codes(somebody)[0]},
    "disable_second_factor": lambda somebody: {"password": WORLD["password"], "code": backup_codes(somebody)[0]},
    "set_avatar": lambda somebody: {"file": picture(somebody)},
    "accept_grafana": lambda somebody: grafana(),
}

# The same for what an operation is about: the last parameter of its path, or several by their names. A `caller` among them
# is who may act on it, if that is not the one who calls everywhere else.
THINGS = {
    "approve_user": lambda: pending(),
    "reset_second_factor": lambda: with_factor(),
    "revoke_user_session": lambda: logged_in(),
    "acknowledge_alert": lambda: alert(),
    "unacknowledge_alert": lambda: acknowledged_alert(),
    "resolve_alert": lambda: alert(),
    "update_webhook_endpoint": lambda: endpoint(),
    "delete_webhook_endpoint": lambda: endpoint(),
    "enable_webhook_endpoint": lambda: endpoint(),
    "disable_webhook_endpoint": lambda: endpoint(),
    "rotate_webhook_endpoint_secret": lambda: endpoint(),
    "test_webhook_endpoint": lambda: endpoint(),
    # Not all events of the project in which all others call.
    "create_bulk_action": lambda: {"caller": elsewhere()},
}

# Operations that can't succeed here, with the reason.
HOPELESS = {"accept_sns": "nobody here signs as SNS does"}

# How often a request is sent as it was made up, rather than with a body that is known to be good.
AS_MADE_UP = 0.5
# How often it is sent about something that is nowhere, and how often by nobody.
NOWHERE = 0.1
BY_NOBODY = 0.03

with open(os.environ["BELLBUOY_CONFORMANCE_WORLD"], encoding="utf-8") as file:
    WORLD = json.load(file)
BASE = WORLD["base"]
LOCAL = threading.local()
LOCK = threading.RLock()
CHANCE = random.Random(int(os.environ["BELLBUOY_CONFORMANCE_SEED"]))
STATUSES = {}
OPERATIONS = {}
COUNT = [0]


def http():
    """A session for each thread: they are not made to be shared."""
    if not hasattr(LOCAL, "session"):
        LOCAL.session = requests.Session()
        LOCAL.session.trust_env = False
    return LOCAL.session


def send(method, path, headers=None, **more):
    return http().request(method, BASE + path, headers=headers, timeout=30, **more)


def fresh(word="thing"):
    with LOCK:
        COUNT[0] += 1
        return f"{word}{COUNT[0]}"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def log_in(project, email):
    body = {"project": project, "email": email, "password": WORLD["password"]}
    answer = send("POST", "/api/v1/auth/login", json=body)
    assert answer.status_code == 200, f"{email} can't log in: {answer.text}"
    tokens = answer.json()
    return {
        "email": email,
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "user": tokens["user_id"],
        "project": tokens["project_id"],
    }


def lasting(who):
    """The token of the admin or of the super admin, as good as new."""
    with LOCK:
        kept = WORLD.setdefault("tokens", {}).get(who)
        if kept and send("GET", "/api/v1/me", bearer(kept)).status_code == 200:
            return kept
        project = "platform" if who == "super_admin" else WORLD["slug"]
        token = log_in(project, WORLD[who])["access"]
        WORLD["tokens"][who] = token
        return token


def somebody(who):
    """Somebody new who may do the same, in a session of their own."""
    project = "platform" if who == "super_admin" else WORLD["slug"]
    email = f"{fresh('somebody')}@example.com"
    new = {"email": email, "full_name": "Some Body", "password": WORLD["password"], "roles": [who]}
    maker = "super_admin" if who == "super_admin" else "admin"
    answer = send("POST", "/api/v1/users", bearer(lasting(maker)), json=new)
    assert answer.status_code == 201, answer.text
    return log_in(project, email)


def registration():
    """What somebody asks for an account with. The settings that the project was filled with let nobody ask."""
    with LOCK:
        if not WORLD.get("open"):
            WORLD["open"] = True
            project = WORLD["values"]["/api/v1/projects/{project}/settings"]["project"]
            path = f"/api/v1/projects/{project}/settings"
            root = log_in("platform", WORLD["super_admin"])["access"]
            answer = send("PUT", path, bearer(root), json={"registration": "open"})
            assert answer.ok, answer.text
    email = f"{fresh('newcomer')}@example.com"
    return {"project": WORLD["slug"], "email": email, "full_name": "New Comer"}


def register():
    """The address of a registration."""
    new = registration()
    answer = send("POST", "/api/v1/auth/register", json=new)
    assert answer.status_code == 202, answer.text
    return new["email"]


def mailed(email, prefix):
    """The token that was mailed to somebody, once the due loop has handed it over."""
    folder = pathlib.Path(WORLD["mailbox"])
    for _ in range(1200):
        for path in folder.glob("*.eml"):
            text = path.read_text(encoding="utf-8")
            if f"To: {email}" in text and (found := re.search(rf"\?token=({prefix}\w+)", text)):
                return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no mail to {email} came")


def forgotten(somebody):
    body = {"project": WORLD["slug"], "email": somebody["email"]}
    answer = send("POST", "/api/v1/auth/forgot-password", json=body)
    assert answer.status_code == 202, answer.text
    return mailed(somebody["email"], "bbp_")


def unproved(somebody):
    """The token that proves the address of an account, which nobody has proved yet."""
    body = {"project": WORLD["slug"], "email": somebody["email"]}
    answer = send("POST", "/api/v1/auth/verify-email/resend", json=body)
    assert answer.status_code == 202, answer.text
    return mailed(somebody["email"], "bbv_")


def invited():
    email = f"{fresh('guest')}@example.com"
    answer = send("POST", "/api/v1/auth/invitations", bearer(lasting("admin")), json={"email": email, "roles": ["member"]})
    assert answer.status_code == 201, answer.text
    return mailed(email, "bbi_")


def grafana():
    """What a contact point of Grafana sends."""
    labels = {"alertname": fresh("High CPU"), "instance": "web-1"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {},
        "startsAt": "2026-01-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": fresh("fingerprint"),
    }
    return {"version": "1", "groupKey": "{}", "status": "firing", "receiver": "bellbuoy", "alerts": [alert]}


def elsewhere():
    """The admin, logged in, of a project in which anything may be deleted."""
    with LOCK:
        if "elsewhere" not in WORLD:
            WORLD["elsewhere"] = new_project()[1:]
        slug, email = WORLD["elsewhere"]
        return log_in(slug, email)


def alerting():
    """The admin, logged in, and a key of a project whose only rule opens an alert for every event.

    Nobody else calls there: a silence, or a change of the rule, would leave no alert to act upon.
    """
    with LOCK:
        if "alerting" not in WORLD:
            _, slug, email = new_project()
            admin = bearer(log_in(slug, email)["access"])
            key = send("POST", "/api/v1/keys", admin, json={"name": "events", "scopes": ["events:write"]})
            assert key.status_code == 201, key.text
            rule = {"name": "Every event", "condition": "true", "priority": "high", "target_roles": ["admin"]}
            made = send("POST", "/api/v1/rules", admin, json=rule)
            assert made.status_code == 201, made.text
            WORLD["alerting"] = {"slug": slug, "email": email, "key": key.json()["api_key"]}
        home = WORLD["alerting"]
        return log_in(home["slug"], home["email"]), home["key"]


def alert():
    """An alert that is not resolved, and who may act on it: if there is none, the next event opens one."""
    person, key = alerting()
    for attempt in range(600):
        for state in ("open", "acknowledged"):
            answer = send("GET", f"/api/v1/alerts?state={state}", bearer(person["access"]))
            if answer.ok and (items := answer.json()["items"]):
                return {"id": items[0]["id"], "caller": person}
        if attempt % 50 == 0:
            send("POST", "/api/v1/events", {"X-API-Key": key}, json={"type": "alerting.rings", "payload": {}})
        time.sleep(0.1)
    raise AssertionError("no alert opened")


def endpoint():
    """A webhook endpoint that nothing listens at. A project has at most so many: when there are, all but the first go."""
    admin, path = bearer(lasting("admin")), "/api/v1/webhook-endpoints"
    for _ in range(5):
        new = {"name": fresh("endpoint"), "url": "http://127.0.0.1:9/", "enabled": False}
        answer = send("POST", path, admin, json=new)
        if answer.status_code == 201:
            return answer.json()["endpoint"]["id"]
        assert answer.status_code == 409, answer.text
        kept = WORLD["values"].get(path + "/{id}", {}).get("id")
        for one in send("GET", path + "?limit=200", admin).json()["items"]:
            if one["id"] != kept:
                send("DELETE", f"{path}/{one['id']}", admin)
    raise AssertionError("no endpoint could be created")


def acknowledged_alert():
    one = alert()
    send("POST", f"/api/v1/alerts/{one['id']}/acknowledge", bearer(one["caller"]["access"]), json={})
    return one


def pending():
    """An account that waits for approval."""
    body = {"token": mailed(register(), "bbg_"), "password": WORLD["password"]}
    answer = send("POST", "/api/v1/auth/register/confirm", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def logged_in():
    """A session of an account."""
    one = somebody("member")
    sessions = send("GET", "/api/v1/auth/sessions", bearer(one["access"])).json()
    return {"id": one["user"], "session_id": sessions["items"][0]["id"]}


def enrol(somebody):
    """The secret of a second factor that waits for a code."""
    body = {"password": WORLD["password"]}
    answer = send("POST", "/api/v1/me/second-factor", bearer(somebody["access"]), json=body)
    assert answer.ok, answer.text
    return answer.json()["secret"]


def totp(secret):
    """The six digits that an app shows now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    hashed = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    at = hashed[-1] & 15
    return f"{(struct.unpack('>I', hashed[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06}"


def backup_codes(somebody):
    """The backup codes of a second factor that is switched on for it."""
    body = {"code": totp(enrol(somebody))}
    answer = send("POST", "/api/v1/me/second-factor/confirm", bearer(somebody["access"]), json=body)
    assert answer.ok, answer.text
    return answer.json()["backup_codes"]


def with_factor():
    """Somebody who has a second factor."""
    one = somebody("member")
    backup_codes(one)
    return one["user"]


def picture(somebody):
    """A file of somebody's own, laid where it would be stored: no operation takes files yet."""
    path = f"avatars/{somebody['user']}/face.png"
    file = pathlib.Path(WORLD["files"], "projects", somebody["project"], path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"a face")
    return path


def caller_of(title, schemes):
    """Who may: a person rather than a key, the admin of the project rather than one of the platform."""
    if not schemes:
        return None
    allowed = WORLD["allowed"].get(title, [])
    for who in ("admin", "super_admin"):
        if who in allowed and "bearer" in schemes:
            return who
    return "key"


def ends_its_caller(method, path):
    return method != "GET" and re.match(r"/api/v1/(me|auth)(/|$)", path) is not None


def changes_its_project(method, path):
    return method != "GET" and path.startswith("/api/v1/projects/{")


def new_project():
    """A project that nobody else needs: its id, its slug and the address of its admin."""
    slug = fresh("project")
    admin = {"email": f"{slug}@example.com", "full_name": "Ada", "password": WORLD["password"]}
    new = {"slug": slug, "name": slug, "admin": admin}
    answer = send("POST", "/api/v1/projects", bearer(lasting("super_admin")), json=new)
    assert answer.status_code == 201, answer.text
    return answer.json()["project"]["id"], slug, admin["email"]


def headers_of(who, person=None):
    if who is None:
        return {}
    if who == "key":
        return {"X-API-Key": WORLD["key"]}
    return bearer(person["access"] if person else lasting(who))


def good_body(operation_id):
    """A body that the operation took before, with names that are not there yet."""
    text = WORLD["sent"].get(operation_id)
    if text is None:
        return None
    names = {}
    return re.sub(rf"{WORLD['canary']}\d*", lambda found: names.setdefault(found[0], fresh("made")), text)


def first(value, name):
    """The id in what was made or listed."""
    if isinstance(value, dict):
        for key in (name, "id"):
            if isinstance(value.get(key), str):
                return value[key]
        for inner in value.values():
            if isinstance(inner, dict) and (found := first(inner, name)):
                return found
    return None


def something(method, path, who, person):
    """Values for the parameters of a path: what is there for whoever reads, and something new for whoever changes it."""
    values = dict(WORLD["values"].get(path, {}))
    words = path.split("/")
    places = [at for at, word in enumerate(words) if word.startswith("{")]
    if not places or method == "GET":
        return values
    name = words[places[-1]].strip("{}")
    prefix = "/".join(words[: places[-1]])
    at = re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), prefix)
    verb = "POST" if ("POST", prefix) in OPERATIONS else "PUT"
    maker = OPERATIONS.get((verb, prefix))
    maker_is = caller_of(f"{verb} {prefix}", ["bearer"])
    made = None
    if maker and (body := good_body(maker)):
        headers = {**headers_of(maker_is, person if maker_is == who else None), "Content-Type": "application/json"}
        answer = send(verb, at, headers, data=body.encode())
        made = first(answer.json(), name) if answer.ok else None
    elif ("GET", prefix) in OPERATIONS:
        answer = send("GET", at, headers_of(who, person))
        items = answer.json().get("items", []) if answer.ok else []
        made = first(items[0], name) if items else None
    if made:
        values[name] = made
    return values


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Lines and bytes are sent as they are; what is made up of another kind becomes one line."""
    if isinstance(value, Binary):
        return value.data
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", errors="replace")


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path, methods in raw_schema["paths"].items():
        for method, operation in methods.items():
            OPERATIONS[(method.upper(), path)] = operation["operationId"]
            STATUSES.setdefault(operation["operationId"], {})


@schemathesis.hook
def before_call(context, case, kwargs):
    method, path = case.method.upper(), case.operation.path
    operation_id = OPERATIONS.get((method, path))
    # Schemathesis tries methods that are not there as well: those are left as they are.
    if operation_id is None:
        return
    schemes = [name for one in case.operation.definition.raw.get("security", []) for name in one]
    who = caller_of(f"{method} {path}", schemes)
    # The edges of the schemas are all tried as they are.
    edges = case.meta is not None and case.meta.phase.name.name == "COVERAGE"
    with LOCK:
        # First it shall succeed, for it may be tried only a few times.
        seen = STATUSES[operation_id]
        early = not any(code.startswith("2") for code in seen) and sum(seen.values()) < 20
        as_made_up = edges or (CHANCE.random() < AS_MADE_UP and not early)
        nowhere = CHANCE.random() < NOWHERE and not edges and not early
        by_nobody = CHANCE.random() < BY_NOBODY and not edges and not early
    if by_nobody:
        return
    person = None
    if who in ("admin", "super_admin") and ends_its_caller(method, path):
        person = somebody(who)
    values = {}
    # Not the project that all others are called in, whoever changes, suspends or archives it.
    if who in ("admin", "super_admin") and changes_its_project(method, path):
        values["project"], slug, email = new_project()
        person = log_in(slug, email) if who == "admin" else None
    elif case.path_parameters and not nowhere:
        values = something(method, path, who, person)
    if operation_id in THINGS and not nowhere:
        made = THINGS[operation_id]()
        made = dict(made) if isinstance(made, dict) else {path.split("{")[-1].split("}")[0]: made}
        person = made.pop("caller", person)
        values.update(made)
    if case.path_parameters:
        case.path_parameters = {**case.path_parameters, **values}
    case.headers = {**(case.headers or {}), **headers_of(who, person)}
    if as_made_up:
        return
    body, media_type = None, case.media_type
    if operation_id in BODIES:
        body = BODIES[operation_id](person or somebody("admin"))
    elif (text := good_body(operation_id)) is not None:
        body = json.loads(text) if media_type == "application/json" else text
    if body is not None:
        case.body = body
    # A parameter that is made up is refused more often than not; none of them is needed.
    case.query = {}
    case.headers = {name: value for name, value in case.headers.items() if name != "Idempotency-Key"}


@schemathesis.hook
def after_call(context, case, response):
    operation_id = OPERATIONS.get((case.method.upper(), case.operation.path))
    if operation_id is None:
        return
    with LOCK:
        seen = STATUSES[operation_id]
        status = str(response.status_code)
        seen[status] = seen.get(status, 0) + 1


@atexit.register
def tell():
    with open(os.environ["BELLBUOY_CONFORMANCE_TOLD"], "w", encoding="utf-8") as file:
        json.dump({"statuses": STATUSES, "hopeless": HOPELESS}, file)
