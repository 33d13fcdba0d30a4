"""What a person's program does with PyMongo: sign in, and work for a while.

    driver.py URI ROUNDS PAUSE_MS

Each round pings, inserts a document and finds it again. The token comes from the URI's ENVIRONMENT, or, if TOKEN_COMMAND
is set (a JSON array), from a callback that runs that command and takes its output; TOKEN_CALLBACK may name the property
that it is set as. Prints one JSON line {"user": …, "roles": […], "rounds": …, "count": …, "callbacks": …, "idp_info": …},
or {"error": CODE, "message": …} with exit status 1.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time

from pymongo import MongoClient
from pymongo.auth_oidc import OIDCCallback, OIDCCallbackResult
from pymongo.errors import OperationFailure

uri, rounds, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000


class Command(OIDCCallback):
    calls = 0
    idp_info = None

    def fetch(self, context):
        self.calls += 1
        self.idp_info = context.idp_info and dataclasses.asdict(context.idp_info)
        command = json.loads(os.environ["TOKEN_COMMAND"])
        token = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return OIDCCallbackResult(access_token=token)


def work(client):
    # First of all: the server has nobody to name once a token has expired, and does not ask for another one here.
    info = client.admin.command("connectionStatus")["authInfo"]
    people = client.shop.people
    for number in range(rounds):
        client.admin.command("ping")
        people.insert_one({"number": number})
        assert people.find_one({"number": number})["number"] == number
        time.sleep(pause)
    return {
        "user": info["authenticatedUsers"][0]["user"],
        "roles": [role["role"] for role in info["authenticatedUserRoles"]],
        "rounds": rounds,
        "count": people.count_documents({}),
        "callbacks": callback.calls,
        "idp_info": callback.idp_info,
    }


callback = Command()
options = {}
if "TOKEN_COMMAND" in os.environ:
    options["authMechanismProperties"] = {os.environ.get("TOKEN_CALLBACK", "OIDC_CALLBACK"): callback}
try:
    with MongoClient(uri, serverSelectionTimeoutMS=10_000, **options) as client:
        print(json.dumps(work(client)))
except OperationFailure as failure:
    print(json.dumps({"error": failure.code, "message": str(failure)}))
    sys.exit(1)
