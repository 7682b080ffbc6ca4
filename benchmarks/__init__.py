"""What dualad costs, beside hand-written NumPy, PyTorch on the CPU and HIPS autograd.

``nox -s bench`` or ``python -m benchmarks`` runs everything and prints a table of ratios. Each
workload is a module that says what each contestant does; `timing` runs them by turns, `bars` has
what is required, `report` makes the table.
"""
