"""The unmixing problem as one linear programme, solved by column generation.

In the plan P and the weights w the problem reads

    min <c, P>   subject to   P 1 = H w,   P^T 1 = b,   P >= 0,   w >= 0.

It is solved without a cost matrix, in four steps.

1. :mod:`~.sinkhorn`: Sinkhorn's iteration with free weights, at falling temperatures,
   gives weights that are right to a few thousandths, and potentials whose reduced
   costs tell which arcs an optimal plan can use.
2. :mod:`~.network`: the network simplex at these weights, on about three arcs per
   point, gives a tree that is a feasible basis of the joint programme.
3. :mod:`~.programme`: from that basis the primal simplex has to move only the weights
   and a few hundred arcs.
4. :mod:`~.pricing`: a pass over the costs by blocks makes the potentials feasible,
   which gives a lower bound, and finds the arcs of negative reduced cost, which join
   the programme.
"""

from skwot._unmixing.solvers.column_generation.generation import generate_columns

__all__ = ["generate_columns"]
