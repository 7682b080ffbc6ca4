"""The gradient of a least-squares loss over a matrix that is larger than the memory it may take.

Run by ``test_least_squares.py`` in a process of its own, whose memory is measured, as
``python least_squares.py {threads,cluster,killed} GIGABYTES``; prints what it found as JSON.

The rows of the matrix are those of a Hadamard matrix, again and again. Its columns are orthogonal, so
the gradient of the mean square of ``A @ w - A @ solution`` is ``2 * (w - solution)``, whatever its size.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import dualad_dask
import numpy as np
import scipy.linalg

import dualad

COLUMNS = 64
ROWS_OF_A_BLOCK = 2**15  # 16 MiB
START, SOLUTION = np.linspace(-1.0, 1.0, COLUMNS), np.cos(np.arange(COLUMNS))


def block(rows, log=None, block_id=None):
    """Return a block of the matrix; leave a file that says so, if there is a folder for it."""
    if log is not None:
        Path(log, f"{block_id[0]}-{time.time_ns()}-{os.getpid()}").touch()
    hadamard = scipy.linalg.hadamard(COLUMNS, dtype="float64")
    return np.broadcast_to(hadamard, (rows // COLUMNS, COLUMNS, COLUMNS)).reshape(rows, COLUMNS)


def matrix(gigabytes, log=None):
    """Return the matrix, of about so many gigabytes in blocks of 16 MiB, none of which is made here."""
    blocks = round(gigabytes * 1e9 / (8 * COLUMNS * ROWS_OF_A_BLOCK))
    chunks = ((ROWS_OF_A_BLOCK,) * blocks, (COLUMNS,))
    meta = np.empty((0, 0))
    return da.map_blocks(block, ROWS_OF_A_BLOCK, log, chunks=chunks, dtype="float64", meta=meta)


def problem(a):
    """Return the loss as a function of the parameters."""
    b = a @ da.from_array(SOLUTION)

    def loss(w):
        r = a @ w - b
        return dualad.mean(r * r)

    return loss


def peak():
    """Return the most memory that this process has taken, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def on_threads(gigabytes):
    """Compute with the threaded scheduler."""
    a = matrix(gigabytes)
    value_and_gradient = dualad.value_and_grad(problem(a))(da.from_array(START))
    with dask.config.set(scheduler="threads", num_workers=2):
        value, gradient = dualad_dask.compute(*value_and_gradient)
    return a, value, gradient, {"peaks": [peak()]}


def on_cluster(gigabytes, kill):
    """Compute on two worker processes; if `kill`, one of them is killed when it has made some blocks."""
    from distributed import Client, LocalCluster

    # Two worker processes of one thread each, reached by the loopback device alone.
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=0,
        silence_logs=50,
    )
    with cluster, Client(cluster) as client, tempfile.TemporaryDirectory() as log:
        before = client.run(os.getpid)
        a = matrix(gigabytes, log)
        arrays = dualad.value_and_grad(problem(a))(da.from_array(START))
        futures = client.compute(arrays)
        if kill:
            victim = min(before.values())
            while sum(name.endswith(f"-{victim}") for name in os.listdir(log)) < 3:
                assert not any(f.done() for f in futures), "it was done before a worker could be killed"
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)
        value, gradient = client.gather(futures)
        makers = {int(name.rpartition("-")[2]) for name in os.listdir(log)}
        made = {int(name.partition("-")[0]) for name in os.listdir(log)}
        peaks = list(client.run(peak).values())
    found = {"peaks": peaks, "workers": sorted(before.values()), "makers": sorted(makers), "made": len(made)}
    return a, value, gradient, found


def main(where, gigabytes):
    """Compute, and print what was found."""
    a, value, gradient, found = (
        on_threads(gigabytes) if where == "threads" else on_cluster(gigabytes, where == "killed")
    )
    found |= {
        "bytes": a.nbytes,
        "blocks": a.numblocks[0],
        "value": float(value),
        "gradient": gradient.tolist(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
