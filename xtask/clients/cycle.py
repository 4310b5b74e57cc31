"""The whole cycle of a write with Python requests. Usage: cycle.py URL-OF-A-NEW-DOCUMENT"""

import sys

import requests

DOCUMENT = sys.argv[1]
session = requests.Session()


def send(method, status, content=None, **fields):
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = session.request(method, DOCUMENT, headers=headers, json=content, timeout=20)
    shown = ", ".join(f"{name}: {value}" for name, value in headers.items())
    print(f"{method:<6} {shown:<40} -> {answer.status_code}")
    assert answer.status_code == status, f"{answer.status_code}, not {status}: {answer.text}"
    return answer


def problem(answer, code):
    assert answer.headers["Content-Type"] == "application/problem+json", answer.headers
    assert answer.headers["Cache-Control"] == "no-store", answer.headers
    body = answer.json()
    assert body["code"] == code and body["applied"] is False, body
    assert body["status"] == answer.status_code, body
    return body


# Nothing says what was seen: refused, told what to send, and nothing was made.
refused = problem(send("PUT", 428, {"n": 0}), "precondition_required")
assert {way["header"] for way in refused["required"]["one_of"]} >= {"If-Match", "If-None-Match"}, refused
problem(send("GET", 404), "not_found")

# Create, once.
first = send("PUT", 201, {"n": 1}, If_None_Match="*").headers["ETag"]
problem(send("PUT", 412, {"n": 9}, If_None_Match="*"), "already_exists")

# Two clients read the same version.
mine, theirs = send("GET", 200), send("GET", 200)
assert mine.headers["ETag"] == theirs.headers["ETag"] == first

# The first one writes; the second one is refused and learns what is current.
second = send("PUT", 204, {"n": 2}, If_Match=mine.headers["ETag"]).headers["ETag"]
assert second != first
stale = send("PUT", 412, {"n": 3}, If_Match=theirs.headers["ETag"])
assert stale.headers["ETag"] == second
assert problem(stale, "stale_version")["current_etag"] == second

# It reads again, merges, and writes.
again = send("GET", 200)
assert again.headers["ETag"] == second and again.json() == {"n": 2}, again.text
third = send("PUT", 204, {"n": again.json()["n"] + 3}, If_Match=second).headers["ETag"]
assert send("GET", 200).json() == {"n": 5}

# A reader that has it already is told so.
assert send("GET", 304, If_None_Match=third).headers["ETag"] == third

# A tag without its quotes is a mistake, not a missing condition.
bare = problem(send("PUT", 400, {"n": 6}, If_Match=third.strip('"')), "malformed_validator")
assert bare["did_you_mean"] == {"If-Match": third}, bare

# Deleting is a write like any other.
problem(send("DELETE", 428), "precondition_required")
problem(send("DELETE", 412, If_Match=first), "stale_version")
send("DELETE", 204, If_Match=third)
problem(send("GET", 404), "not_found")
problem(send("PUT", 412, {"n": 7}, If_Match=third), "stale_version")
assert send("PUT", 201, {"n": 1}, If_None_Match="*").headers["ETag"] not in (first, second, third)
