"""Work shared out to processes: results in order, memory bounded, none outlives its parent, none disturbs another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import TypeVar

import filelock

from boceto.errors import Fault, UsageError, os_errors

T = TypeVar("T")
R = TypeVar("R")

_GLANCE_S = 0.2  # how long to wait for a lock, since ``held`` takes it for an instant


def spread(task: Callable[[T], R], parts: Iterable[T], workers: int | None = None) -> Generator[R]:
    """``task`` of every part, in order, on so many processes (None: one a core); few parts are done right here.

    Parts are taken from ``parts`` as they are needed.

    ``task`` must be a function of a module, or a ``partial`` of one. Processes are spawned rather than forked: the
    caller may hold threads, and all systems then behave alike. Raises Fault if one of them is killed.
    """
    workers = workers or os.cpu_count() or 1
    if isinstance(parts, Sized):
        workers = min(workers, len(parts) // 2)
    if workers < 2:
        yield from map(task, parts)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_belong_to_parent)
    waiting: deque[Future[R]] = deque()
    try:
        for part in parts:
            with _born_deaf():
                waiting.append(pool.submit(task, part))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise Fault(
            "a worker process ended before its time: memory ran out, or the calling script lacks "
            '`if __name__ == "__main__":`; run again with a single one (--workers 1, workers=1)'
        ) from error
    finally:
        with _deaf():
            pool.shutdown(cancel_futures=True)


def apart(task: Callable[..., R], *arguments: object) -> R:
    """``task(*arguments)`` in a process spawned for it alone, so that what it takes of memory is its own.

    ``task`` must be a function of a module. Whatever it raises is raised here; Fault if the process is killed. It ends
    at once with Ctrl-C here.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, task, arguments), daemon=True)
    try:
        with _born_deaf():
            process.start()
        theirs.close()
        succeeded, answer = ours.recv()
    except EOFError as error:
        process.join()
        raise Fault(
            f"the process that worked on it ended before its time (exit code {process.exitcode}); did memory run out?"
        ) from error
    finally:
        if process.pid is not None:
            process.kill()
            process.join()
        ours.close()
    if not succeeded:
        raise answer
    result: R = answer
    return result


def _answer(into: connection.Connection, task: Callable[..., object], arguments: Sequence[object]) -> None:
    _belong_to_parent()
    try:
        into.send((True, task(*arguments)))
    except Exception as error:
        into.send((False, error))


@contextlib.contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Keep other processes out meanwhile; raises UsageError with the words ``busy`` if one is in already.

    The system releases the lock when the process ends, however it ends. A file system without locks is trusted.
    """
    own = filelock.FileLock(lock, timeout=_GLANCE_S)
    with os_errors("lock", lock):
        try:
            own.acquire()
        except filelock.Timeout as error:
            raise UsageError(busy) from error
        except NotImplementedError:
            pass
    try:
        yield
    finally:
        own.release()


def held(lock: Path) -> bool:
    """Does a process keep others out with this lock? Nothing is made or changed, and who wants the lock still gets it.

    One that cannot be asked for (no such file, no permission, a file system without locks) passes for free.
    """
    if not lock.is_file():
        return False
    if sys.platform == "win32":
        asked = filelock.FileLock(lock, timeout=0)
        try:
            asked.acquire()
        except (filelock.Timeout, OSError, NotImplementedError) as error:
            return isinstance(error, filelock.Timeout)
        asked.release()
        return False
    import fcntl

    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not see each other
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Without Ctrl-C for a moment: a second one while a pool ends would leave it hanging for ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier or signal.SIG_DFL)


@contextlib.contextmanager
def _born_deaf() -> Iterator[None]:
    """Processes started meanwhile do not hear Ctrl-C, which would find them importing; here it is heard afterwards."""
    if sys.platform == "win32":
        with _deaf():
            yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _belong_to_parent() -> None:
    """Leave Ctrl-C, which reaches workers too, to the parent; and end when the parent has been killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what ``_born_deaf`` handed on
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def follow() -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
