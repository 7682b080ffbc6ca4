"""What dualad costs, beside hand-written NumPy, PyTorch on the CPU and HIPS autograd.

``nox -s bench`` or ``python -m benchmarks`` runs everything and prints a table of ratios. Each
workload is a module that says what each contestant does; `timing` runs them by turns, and
`__main__` has what is required of each and makes the table.
"""
