"""What training will cost, worked out on paper: parameters, memory, operations, waiting, and which grid is cheapest.

Arithmetic only: nothing here imports torch or asks the machine, so that recipes can be planned anywhere.
"""
