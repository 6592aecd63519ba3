"""The only door to Dask: addresses and certificates, connections, tasks, workers. Needs the extra `dask`."""
