#!/usr/bin/env python3
"""An exec plugin of protocol 1 with sessions: one process keeps records in a shared folder, answers many requests at once,
and tells of changes, whoever made them. Python's standard library alone.

  plugins:
    shared:
      type: exec
      protocol: 1
      command: /usr/local/lib/stunmesh/watching_store.py
      args: [/mnt/shared/stunmesh]
"""

import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile
import threading

DESCRIPTION = {
    "success": True,
    "protocol": 1,
    "version": "1.0",
    "traits": {"max_value_bytes": 32768, "min_poll_ms": 200, "session": True, "watch": True, "delete": True, "many": True},
}
# How often watched files are looked at, in seconds: network file systems tell of nothing.
LOOK_EVERY = 0.05

folder = pathlib.Path()
printing = threading.Lock()
watched = {}


def send(message):
    """One line a message, never two mixed."""
    with printing:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def read(key):
    try:
        return (folder / key).read_text()
    except FileNotFoundError:
        return None


def write(key, value):
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(value)
        # A rename is one step: a reader sees the old record or the new one.
        os.replace(temporary, folder / key)
    except BaseException:
        os.unlink(temporary)
        raise


def stamp(key):
    """Changes whenever the file is replaced."""
    try:
        found = (folder / key).stat()
        return (found.st_ino, found.st_mtime_ns, found.st_size)
    except OSError:
        return None


def failure(error):
    # What a full or unreachable disk refuses now it may take later; missing rights stay missing.
    code = "rejected" if isinstance(error, PermissionError) else "later"
    return {"success": False, "code": code, "error": error.strerror or "the folder cannot be used"}


def get_many(request):
    answer = {"success": True, "values": {}, "errors": {}}
    for key in request["keys"]:
        try:
            value = read(key)
        except OSError as error:
            answer["errors"][key] = failure(error)
        else:
            if value is not None:
                answer["values"][key] = value
    return answer


def set_many(request):
    errors = {}
    for key, value in request["values"].items():
        try:
            write(key, value)
        except OSError as error:
            errors[key] = failure(error)
    return {"success": True, "errors": errors}


def watch(request):
    """The list replaces the one before; an empty one ends watching."""
    now = {key: stamp(key) for key in request["keys"]}
    watched.clear()
    watched.update(now)
    return {"success": True}


def look():
    while True:
        threading.Event().wait(LOOK_EVERY)
        for key, before in list(watched.items()):
            now = stamp(key)
            if now != before and key in watched:
                watched[key] = now
                send({"event": "change", "key": key})


def answer_to(request):
    action = request.get("action")
    try:
        if action == "describe":
            return DESCRIPTION
        if action == "get":
            return {"success": True, "value": read(request["key"])}
        if action == "set":
            write(request["key"], request["value"])
            return {"success": True}
        if action == "delete":
            (folder / request["key"]).unlink(missing_ok=True)
            return {"success": True}
        if action == "getMany":
            return get_many(request)
        if action == "setMany":
            return set_many(request)
        if action == "watch":
            return watch(request)
        return {"success": False, "code": "rejected", "error": "unknown action"}
    except OSError as error:
        return failure(error)
    except (KeyError, TypeError, AttributeError):
        return {"success": False, "code": "internal", "error": "not a request of protocol 1"}


def serve(request):
    send({"id": request.get("id"), **answer_to(request)})


def main():
    global folder
    if len(sys.argv) != 2:
        sys.exit("usage: watching_store.py FOLDER")
    folder = pathlib.Path(sys.argv[1])
    threading.Thread(target=look, daemon=True).start()
    # One worker: requests are served in the order in which they come. More are allowed as long as each key keeps its order.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as workers:
        # The same loop serves a single call, which is a session of one line.
        for line in sys.stdin:
            workers.submit(serve, json.loads(line))


main()
