"""The benches' tasks for Python, in a module of their own so that every kind of worker can import them."""
import time

iterations = 0
duration = 0.0


def spin(x, n):
    for _ in range(n):
        x = (x * 5 + 1) & 0xFFFF
    return x


def calibrate(microseconds):
    """Iterations of spin that take so many microseconds now: the median of several tries."""
    rates = []
    for i in range(9):
        began = time.process_time()  # what else the machine does must not make the tasks shorter
        spin(i, 100000)
        rates.append(100000 / ((time.process_time() - began) * 1e6))
    return max(1, round(sorted(rates)[4] * microseconds))


def identity(x):
    return x


def compute(i):
    return spin(i, iterations)


def wait(i):
    time.sleep(duration)
    return i


def wait_compute(i):
    time.sleep(duration)
    return spin(i, iterations)


def compute_n(i, n):
    """For workers that do not inherit this module's variables."""
    return spin(i, n)


def wait_compute_n(i, seconds, n):
    time.sleep(seconds)
    return spin(i, n) if n else i


def group(task):
    """A group of tasks made by hand: the function and its list of arguments."""
    f, arguments = task
    return [f(x) for x in arguments]


def records(n):
    return [{"id": i, "name": "name%d" % i, "score": i / 7, "tags": ["red", "green", "blue"]} for i in range(1, n + 1)]
