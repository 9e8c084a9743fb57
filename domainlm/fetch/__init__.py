"""Getting files from web servers: several at once, resumed after a break, verified, whole or absent. Of no domain.

`engine.fetch_files` fetches what `plan.choose_files` picks from a spec's fetch plan.
"""
