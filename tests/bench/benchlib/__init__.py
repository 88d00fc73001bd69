"""What all workloads share: the run itself, clusters, peers, tables, plots."""
