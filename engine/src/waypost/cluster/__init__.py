"""The door to Dask: addresses and certificates, connections, tasks, workers. It needs the extra `dask`."""
