"""Threads of the libraries below, which calls may limit.

The libraries are looked up once. ``threadpool_limits`` would look them up in each call,
under a lock that a fork may inherit closed.
"""

# What loads the libraries: OpenBLAS twice, and OpenMP by scikit-learn.
import numpy  # noqa: F401
import scipy.linalg  # noqa: F401
import sklearn.cluster  # noqa: F401
from threadpoolctl import ThreadpoolController

_LIBRARIES = ThreadpoolController()

# Sums depend on the number of threads, and a joblib worker may have fewer. These
# decorators give a function one thread of each library.
one_thread_of_blas = _LIBRARIES.wrap(limits=1, user_api="blas")
one_thread_of_openmp = _LIBRARIES.wrap(limits=1, user_api="openmp")
