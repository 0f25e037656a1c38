#!/usr/bin/env python3
"""An exec plugin (protocol 0): keeps the records as files in a folder that all peers share.

  plugins:
    shared:
      type: exec
      command: /usr/local/lib/stunmesh/folder_store.py
      args: [/mnt/shared/stunmesh]
"""

import json
import os
import pathlib
import sys
import tempfile


def get(folder, request):
    try:
        return {"success": True, "value": (folder / request["key"]).read_text().strip()}
    except FileNotFoundError:
        # An empty value says that there is no record.
        return {"success": True, "value": ""}


def put(folder, request):
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(request["value"])
        # A rename is one step: a reader sees the old record or the new one.
        os.replace(temporary, folder / request["key"])
    except BaseException:
        os.unlink(temporary)
        raise
    return {"success": True}


def main():
    try:
        folder = pathlib.Path(sys.argv[1])
        request = json.loads(sys.stdin.readline())
        answer = {"get": get, "set": put}[request["action"]](folder, request)
    except IndexError:
        answer = {"success": False, "error": "usage: folder_store.py FOLDER"}
    except (KeyError, ValueError):
        answer = {"success": False, "error": "not a request of protocol 0"}
    except OSError as error:
        answer = {"success": False, "error": error.strerror}
    print(json.dumps(answer))


main()
