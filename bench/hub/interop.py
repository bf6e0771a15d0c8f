"""Tests that winnow shares the cache with the hub's own client: each finds the other's
downloads, both use the same lock, and neither downloads again.

    interop.py WINNOW REQUESTS     (HF_ENDPOINT and HF_HOME are set; run.sh does it)
"""
import os
import shutil
import subprocess
import sys
import threading
import time

from filelock import FileLock
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE

winnow, requests = sys.argv[1:]


def run(*args, **env):
    return subprocess.run([winnow, *args], check=True, text=True, capture_output=True, env={**os.environ, **env})


def downloads():
    """Number of requests for the weights."""
    with open(requests) as f:
        return sum("GET" in line and "model.safetensors" in line for line in f)


def clear():
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


path = run("pull", "o/n").stdout.strip()
assert os.path.dirname(hf_hub_download("o/n", "model.safetensors", local_files_only=True)) == path
assert snapshot_download("o/n") == path
assert downloads() == 1, downloads()
cache = scan_cache_dir()
assert not cache.warnings and [r.repo_id for r in cache.repos] == ["o/n"], cache
print("the hub's client finds what winnow downloaded")

clear()
path = snapshot_download("o/n")
assert f" {path}\n" in run("list").stdout
assert run("pull", "o/n").stdout.strip() == path
run("rank", "-m", "o/n", "question", "document", HF_HUB_OFFLINE="1")
assert downloads() == 2, downloads()
print("winnow finds what the hub's client downloaded")

run("rm", "o/n")
assert not scan_cache_dir().repos
print("winnow rm leaves nothing that the hub's client counts")

clear()
snapshot_download("o/n")
blob = os.path.basename(os.path.realpath(os.path.join(path, "model.safetensors")))
shutil.rmtree(os.path.join(HF_HUB_CACHE, "models--o--n"))
before = downloads()
lock = FileLock(os.path.join(HF_HUB_CACHE, ".locks", "models--o--n", blob + ".lock"), thread_local=False)
lock.acquire()
threading.Thread(target=lambda: (time.sleep(2), lock.release())).start()
started = time.monotonic()
said = run("pull", "o/n").stderr
assert time.monotonic() - started > 1.8 and "is being downloaded already" in said, said
assert downloads() == before + 1
print("winnow waits for the lock of the hub's client")
