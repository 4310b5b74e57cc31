"""Kinto with everything in memory, and one collection that everybody may write to.

Arguments: port.
"""

import json
import logging
import sys

import kinto
import waitress
import webob

SETTINGS = {
    "kinto.storage_backend": "kinto.core.storage.memory",
    "kinto.cache_backend": "kinto.core.cache.memory",
    "kinto.permission_backend": "kinto.core.permission.memory",
    "kinto.userid_hmac_secret": "nothing here is secret",
    "kinto.bucket_create_principals": "system.Everyone",
    "multiauth.policies": "basicauth",
}

logging.disable(logging.WARNING)
app = kinto.main({}, **SETTINGS)
everyone = json.dumps({"permissions": {"write": ["system.Everyone"]}}).encode()
for path in ["/v1/buckets/tried", "/v1/buckets/tried/collections/documents"]:
    request = webob.Request.blank(path, method="PUT", body=everyone, content_type="application/json")
    request.authorization = ("Basic", "c2V0dXA6c2V0dXA=")
    response = request.get_response(app)
    if response.status_int != 201:
        sys.exit(f"{path}: {response.status} {response.text}")
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16, _quiet=True)
