"""Four threads print to standard output, a fifth only sleeps.  usage: full_pipe.py LINES

When the file `full` appears, the fifth sleeps 20 times more and says so with the file `awake`.
"""

import os
import sys
import threading
import time


def prints(number):
    for i in range(int(sys.argv[1])):
        # With a line end of its own print() would write twice, and others may come between.
        print('%d %d %s\n' % (number, i, 'x' * (i % 50)), end='', flush=i % 100 == 0)


def sleeps():
    while not os.path.exists('full'):
        time.sleep(0.005)
    for _ in range(20):
        time.sleep(0.005)
    open('awake', 'w').close()


threads = [threading.Thread(target=prints, args=(n,)) for n in range(4)]
threads.append(threading.Thread(target=sleeps))
for t in threads:
    t.start()
for t in threads:
    t.join()
