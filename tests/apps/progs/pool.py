"""300 downloads by 16 threads.  usage: pool.py URL"""

import concurrent.futures
import hashlib
import sys
import urllib.request


def fetch(i):
    with urllib.request.urlopen(sys.argv[1], timeout=30) as reply:
        return i, reply.status, hashlib.sha256(reply.read()).hexdigest()


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    seen = list(pool.map(fetch, range(300)))
print(len(seen), sorted({s[1:] for s in seen}), [s[0] for s in seen] == list(range(300)))
