# SPDX-License-Identifier: Apache-2.0
"""Runs moto's server on a free port of 127.0.0.1; its own first lines, which name the port, go to standard output.

It ends with the thread that started it: whatever becomes of a test, no server is left behind.
"""

import ctypes
import os
import signal

from moto.server import main

PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
# The server logs to standard error.
os.dup2(1, 2)
main(["-H", "127.0.0.1", "-p", "0"])
