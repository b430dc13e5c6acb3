"""The benches' tasks through one of Python's parallel maps.

usage: python.py imap|grouped|executor|threads|joblib WORKLOAD ARGUMENT...
  imap      multiprocessing.Pool.imap, results as they come, in order
  grouped   the same, the user has packed the tasks into a few groups by hand
  executor  concurrent.futures.ProcessPoolExecutor.map
  threads   concurrent.futures.ThreadPoolExecutor.map
  joblib    joblib.Parallel: processes (loky) for computing, threads for waiting, as its manual advises
Every kind gets the workers that suit the work: as many as CPUs to compute; one for each task to wait, for processes
at most 1,000. The time is that from making the pool to the last result, without ending the pool.
"""
import multiprocessing
import os
import signal
import statistics
import sys
import time

import python_tasks as tasks

CPUS = len(os.sched_getaffinity(0))
PROCESSES_MAX = 1000
now = time.perf_counter


class Imap:
    def __init__(self, workers):
        self.pool = multiprocessing.get_context("fork").Pool(min(workers, PROCESSES_MAX))

    def map(self, f, inputs):
        return self.pool.imap(f, inputs)

    def close(self):
        self.pool.terminate()


class Grouped(Imap):
    def map(self, f, inputs):
        inputs = list(inputs)
        size = max(1, min(10000, len(inputs) // (8 * CPUS)))
        groups = [(f, inputs[i : i + size]) for i in range(0, len(inputs), size)]
        for results in self.pool.imap(tasks.group, groups):
            yield from results


class Executor:
    def __init__(self, workers):
        from concurrent.futures import ProcessPoolExecutor

        fork = multiprocessing.get_context("fork")
        self.pool = ProcessPoolExecutor(min(workers, PROCESSES_MAX), mp_context=fork)

    def map(self, f, inputs):
        return self.pool.map(f, inputs)

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)


class Threads:
    def __init__(self, workers):
        from concurrent.futures import ThreadPoolExecutor

        self.pool = ThreadPoolExecutor(workers)

    def map(self, f, inputs):
        return self.pool.map(f, inputs)

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)


class Joblib:
    def __init__(self, workers):
        import joblib

        self.joblib = joblib
        kind = "processes" if workers <= CPUS else "threads"
        self.pool = joblib.Parallel(n_jobs=workers, prefer=kind)

    def map(self, f, inputs):
        n, seconds = tasks.iterations, tasks.duration
        if f is tasks.compute:
            return self.pool(self.joblib.delayed(tasks.compute_n)(i, n) for i in inputs)
        if f is tasks.wait_compute:
            return self.pool(self.joblib.delayed(tasks.wait_compute_n)(i, seconds, n) for i in inputs)
        return self.pool(self.joblib.delayed(f)(i) for i in inputs)

    def close(self):
        pass


KINDS = {"imap": Imap, "grouped": Grouped, "executor": Executor, "threads": Threads, "joblib": Joblib}


def run(kind, f, inputs, workers):
    began = now()
    pool = KINDS[kind](workers)
    results = list(pool.map(f, inputs))
    seconds = now() - began
    pool.close()
    return seconds, results


def plain(count, microseconds):
    """Seconds of the plain loop, from a first part of the tasks of at most a quarter of a second."""
    part = min(count, int(250000 / microseconds) + 1)
    began = now()
    for i in range(1, part + 1):
        tasks.compute(i)
    return (now() - began) * count / part


def noop(kind, count):
    seconds, results = run(kind, tasks.identity, range(1, count + 1), CPUS)
    return {"seconds": seconds, "checksum": sum(results)}


def compute(kind, count, microseconds):
    tasks.iterations = tasks.calibrate(microseconds)
    before = plain(count, microseconds)
    cpu = time.process_time()
    seconds, results = run(kind, tasks.compute, range(1, count + 1), CPUS)
    cpu = time.process_time() - cpu
    after = plain(count, microseconds)
    figures = {
        "seconds": seconds,
        "plain": (before + after) / 2,
        "checksum": sum(results),
        "iterations": tasks.iterations,
    }
    if kind != "threads":  # there the workers' time is in it
        figures["cpu_us"] = cpu / count * 1e6
    return figures


def wait(kind, count, seconds):
    tasks.duration = seconds
    tasks.iterations = 0
    seconds, results = run(kind, tasks.wait, range(1, count + 1), count)
    return {"seconds": seconds, "checksum": sum(results)}


def wait_compute(kind, count, seconds, microseconds):
    tasks.duration = seconds
    tasks.iterations = tasks.calibrate(microseconds)
    before = plain(count, microseconds)
    seconds, results = run(kind, tasks.wait_compute, range(1, count + 1), count)
    after = plain(count, microseconds)
    return {
        "seconds": seconds,
        "plain": (before + after) / 2,
        "checksum": sum(results),
        "iterations": tasks.iterations,
    }


def echo(kind, count, size):
    strings = [bytes([65 + i]) * size for i in range(4)]
    seconds, results = run(kind, tasks.identity, [strings[i % 4] for i in range(1, count + 1)], CPUS)
    return {"seconds": seconds, "checksum": sum(len(s) + s[-1] for s in results)}


def records(kind, count, size):
    table = tasks.records(size)
    seconds, results = run(kind, tasks.identity, [table] * count, CPUS)
    return {"seconds": seconds, "checksum": sum(t[-1]["id"] for t in results)}


def startup(kind, repeats):
    times = [run(kind, tasks.identity, [1], 1 if kind != "joblib" else CPUS)[0] for _ in range(repeats)]
    return {"seconds": statistics.median(times), "checksum": 1}


def main():
    kind, workload = sys.argv[1:3]
    numbers = [float(word) if "." in word else int(word) for word in sys.argv[3:]]
    figures = globals()[workload](kind, *numbers)
    print(" ".join("%s=%s" % item for item in figures.items()), flush=True)
    for child in multiprocessing.active_children():
        try:
            os.kill(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was about to end anyway
    os._exit(0)  # ending the pool in an orderly way is not what is measured, and takes some of them seconds


if __name__ == "__main__":
    main()
