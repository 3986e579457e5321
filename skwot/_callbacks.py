"""What scikit-learn's callbacks are told of an estimator's work.

The work is a tree of tasks. A solver knows nothing of callbacks: after each step it
calls its *watch*, with a function that would make a result of what it has, and ends if
the answer is True.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import zip_longest
from typing import Any, Protocol, Self

from sklearn.callback import CallbackContext
from sklearn.utils.parallel import Parallel

from skwot._compat import hear_of_deaths

Attributes = dict[str, Any]


class Watch(Protocol):
    """What a solver calls after each step."""

    @property
    def stopped(self) -> bool:
        """Whether it has asked the solver to end."""

    def __call__(self, snapshot: Callable[[], Any]) -> bool:
        """Hear of a step; `snapshot` gives the result as if this were the last one."""


class Unwatched:
    """A watch that nobody listens to."""

    stopped = False

    def __call__(self, snapshot: Callable[[], Any]) -> bool:
        """Ask for nothing."""
        return False


UNWATCHED = Unwatched()


class Changed:
    """A watch that passes steps on, each result changed by a function.

    Parameters
    ----------
    watch : Watch
    change : callable
    """

    def __init__(self, watch: Watch, change: Callable[[Any], Any]) -> None:
        self._watch, self._change = watch, change

    @property
    def stopped(self) -> bool:
        """Whether the watch behind this one has asked the solver to end."""
        return self._watch.stopped

    def __call__(self, snapshot: Callable[[], Any]) -> bool:
        """Pass a step on."""
        return self._watch(lambda: self._change(snapshot()))


class Task:
    """A task that has begun.

    Parameters
    ----------
    estimator : estimator
        That works on it.
    context : CallbackContext
    data : dict
        `X` and `y` as the estimator was given them, and perhaps `metadata`.
    """

    def __init__(
        self, estimator: Any, context: CallbackContext, data: dict[str, Any]
    ) -> None:
        self._estimator, self._context, self._data = estimator, context, data
        context.call_on_fit_task_begin(estimator=estimator, **data)

    @classmethod
    def of(
        cls, estimator: Any, name: str, max_subtasks: int | None, **data: Any
    ) -> Self:
        """Begin what an estimator was asked to do.

        It is to be called once, in a method with
        :func:`sklearn.callback.with_callbacks`.

        Parameters
        ----------
        estimator : estimator
        name : str
        max_subtasks : int or None
            None if their number is not known.
        **data
            `X`, `y` and `metadata`.

        Returns
        -------
        Task
        """
        context = estimator._init_callback_context(name, max_subtasks=max_subtasks)
        return cls(estimator, context, data)

    def subtask(self, name: str, max_subtasks: int | None = 0) -> Self:
        """Begin a part of the task, a leaf unless it has subtasks itself."""
        context = self._context.subcontext(name, max_subtasks=max_subtasks)
        return type(self)(self._estimator, context, self._data)

    def end(self, attributes: Callable[[], Attributes] | None = None) -> bool:
        """End the task.

        Parameters
        ----------
        attributes : callable, default=None
            It makes the attributes of an estimator that is fitted as far as this.

        Returns
        -------
        bool
            Whether a callback asks not to go on.
        """
        return self._context.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=attributes,
            **self._data,
        )

    def watch(self, attributes: Callable[[Any], Attributes]) -> Watch:
        """Make a watch for a solver whose steps are subtasks of this one.

        Parameters
        ----------
        attributes : callable
            It makes the attributes of a fitted estimator of a solver's result.

        Returns
        -------
        Watch
            It tells nobody if there are no callbacks: then an estimator need not
            travel to other processes.
        """
        if not getattr(self._estimator, "_skl_callbacks", ()):
            return UNWATCHED
        return _Steps(self, attributes)


class _Steps:
    """A watch that makes each step a subtask."""

    def __init__(self, task: Task, attributes: Callable[[Any], Attributes]) -> None:
        self._task, self._attributes = task, attributes
        self.stopped = False

    def __call__(self, snapshot: Callable[[], Any]) -> bool:
        step = self._task.subtask("step")
        self.stopped |= step.end(lambda: self._attributes(snapshot()))
        return self.stopped


def run_tasks(
    calls: Iterable[Any], n_jobs: int | None, tasks: Sequence[Task] = ()
) -> list[Any]:
    """Run calls in parallel, by joblib.

    Parameters
    ----------
    calls : iterable
        Made by :func:`sklearn.utils.parallel.delayed`.
    n_jobs : int or None
    tasks : sequence of Task, default=()
        One for each call, which ends with it; with the last call if joblib's backend
        gives all results at once.

    Returns
    -------
    list
        What the calls return, in their order.
    """
    found = []
    with ExitStack() as stack:
        try:
            parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # the backend has no generators
            parallel = Parallel(n_jobs=n_jobs)
        hear_of_deaths(parallel)
        results = parallel(calls)
        if not isinstance(results, list):
            stack.enter_context(closing(results))
        for result, task in zip_longest(results, tasks):
            found.append(result)
            if task is not None:
                task.end()
    return found


def run_subtasks(
    calls: Iterable[Any],
    n_jobs: int | None,
    parent: Task | None,
    name: str,
    size: int,
    leaf: str = "block",
) -> list[Any]:
    """Run calls in parallel, as the `size` subtasks of a part of a task.

    Parameters
    ----------
    calls : iterable
        Made by :func:`sklearn.utils.parallel.delayed`.
    n_jobs : int or None
    parent : Task or None
        None if nobody wants to know.
    name : str
        Of the part.
    size : int
        Number of calls.
    leaf : str, default="block"
        What a call is named.

    Returns
    -------
    list
        What the calls return, in their order.
    """
    if parent is None:
        return run_tasks(calls, n_jobs)
    part = parent.subtask(name, size)
    found = run_tasks(calls, n_jobs, [part.subtask(leaf) for _ in range(size)])
    part.end()
    return found
